/**
 * Tests that make links or mounts do so in a network and a mount namespace of their own, never in the machine's: the body is
 * a script that runs in a child process under `unshare`, and says what it saw as JSON lines.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';

const ROOT = process.getuid?.() === 0;
const UNSHARE = ['unshare', ROOT ? '-nm' : '-rnm'] as const;
/** nobody, who is root of a user namespace of its own. */
const ORDINARY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'unshare', '-rnm'] as const;

export interface NetnsOptions {
  /** Put before `node`, in the namespace: `['setpriv', …]`. */
  readonly prefix?: readonly string[];
  readonly timeoutMs?: number;
  /** Started by root, it runs as an ordinary user all the same. */
  readonly ordinary?: boolean;
  /** No other processes are seen, and so none of their network namespaces heard. */
  readonly ownProcesses?: boolean;
}

export interface NetnsRun<T> {
  /** One value for each line of its stdout. */
  readonly lines: T[];
  readonly stderr: string;
  readonly exitCode: number | null;
}

/** `null` where namespaces can be made, else the reason, in one line for the skipped test. */
export function netnsMissing(): string | null {
  const probe = spawnSync(UNSHARE[0], [UNSHARE[1], 'ip', 'link', 'show'], { encoding: 'utf8' });
  if (probe.status === 0) return null;
  return `network namespaces are not available: ${probe.error?.message ?? probe.stderr.trim()}`;
}

/** `null` where root can start `script` as an ordinary user, else the reason, in one line. */
export function ordinaryMissing(script: string): string | null {
  if (!ROOT) return 'every test runs as one here';
  const [command, ...args] = ORDINARY;
  const probe = spawnSync(command, [...args, process.execPath, '--check', script], { encoding: 'utf8' });
  if (probe.status === 0) return null;
  return `an ordinary user cannot run them: ${probe.error?.message ?? probe.stderr.trim().split('\n').at(-1)}`;
}

/** Runs a TypeScript file in a new network namespace, with the capabilities of root in it. */
export function inNetns<T>(script: string, args: readonly string[], options: NetnsOptions = {}): Promise<NetnsRun<T>> {
  const node = [...(options.prefix ?? []), process.execPath, '--conditions=source', script, ...args];
  const processes = options.ownProcesses === true ? ['--pid', '--fork', '--kill-child', '--mount-proc'] : [];
  const [command, ...unshare] = options.ordinary === true ? ORDINARY : UNSHARE;
  const child = spawn(command, [...unshare, ...processes, ...node], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 30_000,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      try {
        resolve({ lines: lines.map((line): T => JSON.parse(line)), stderr, exitCode });
      } catch (cause) {
        reject(new Error(`${script} said a line that is no JSON; stderr: ${stderr}`, { cause }));
      }
    });
  });
}

/** `ip` in the namespace of the caller: for the scripts that `inNetns` runs. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** A pair of veth links, which every kernel has. */
export function addVeth(name: string, peer: string): void {
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', peer);
}

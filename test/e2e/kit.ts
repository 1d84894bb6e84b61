/** `trotline up` as a person starts it, with the shipped examples, in a folder and a network namespace of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { eventually } from '../kit/eventually.ts';
import { ip } from '../kit/netns.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const ENTRY = join(ROOT, 'trotline.mjs');
const EXAMPLES = join(ROOT, 'deploy/examples/hooks');
/** A loaded machine is slow. */
const PATIENCE = { timeoutMs: 40_000, intervalMs: 50 };

/** The key with which the example webhook signs. */
export const SECRET = `whsec_${Buffer.from('a key of twenty-four byte').toString('base64')}`;

/** A copy of the examples, beside a data folder; removed with all it holds. */
export class Place implements AsyncDisposable {
  readonly folder: string;
  readonly hooks: string;
  readonly data: string;
  readonly env: NodeJS.ProcessEnv;
  readonly entry: string;

  private constructor(folder: string, entry: string) {
    this.folder = folder;
    this.entry = entry;
    this.hooks = join(folder, 'hooks');
    this.data = join(folder, 'data');
    this.env = { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, NOTIFY_SECRET: SECRET };
  }

  static async make(entry = ENTRY): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), 'trotline-e2e-')), entry);
    await cp(EXAMPLES, place.hooks, { recursive: true });
    await place.#change('notify.yaml', '# secret:', 'secret:');
    await place.#change('scripts/link-log.sh', '${TMPDIR:-/tmp}', place.folder);
    return place;
  }

  async #change(name: string, from: string, to: string): Promise<void> {
    const file = join(this.hooks, name);
    await writeFile(file, (await readFile(file, 'utf8')).replace(from, to));
  }

  /** A hook whose script notes its process and then does `work`. */
  async addScript(name: string, work: string): Promise<void> {
    const script = join(this.hooks, 'scripts', `${name}.sh`);
    await writeFile(script, `#!/bin/sh\necho $$ > ${this.folder}/${name}.pid\n${work}\n`);
    await chmod(script, 0o755);
    const config = `{ command: [./scripts/${name}.sh], timeout: 1m }`;
    await writeFile(
      join(this.hooks, `${name}.yaml`),
      `apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: ${name} }\nspec:\n  eventTypes: [link-added]\n  condition: "interface == 'hello'"\n  actions:\n    - { type: script, config: ${config} }\n`,
    );
  }

  /** The process of that script, once it runs. */
  scriptPid(name: string): Promise<number> {
    return eventually(async () => {
      const pid = Number(await readFile(join(this.folder, `${name}.pid`), 'utf8'));
      if (!(pid > 0)) throw new Error(`${name} does not run yet`);
      return pid;
    }, PATIENCE);
  }

  /** A command of the command line, on this data; rejects when it fails. */
  async trotline(...args: readonly string[]): Promise<string> {
    const argv = [this.entry, ...args, '--data', this.data];
    return (await promisify(execFile)(process.execPath, argv, { env: this.env })).stdout;
  }

  async list<T>(...args: readonly string[]): Promise<T> {
    const value: T = JSON.parse(await this.trotline(...args, '-o', 'json'));
    return value;
  }

  /** Every hook of so many events, once all are as expected. */
  async events(
    count: number,
    isWanted: (hook: ListedHook) => boolean,
    timeoutMs: number = PATIENCE.timeoutMs,
  ): Promise<ListedEvent[]> {
    return eventually(
      async () => {
        const events = await this.list<ListedEvent[]>('events', 'list');
        const ready = events.length === count && events.every(({ hooks }) => hooks.every(isWanted));
        if (!ready) throw new Error(`not yet: ${JSON.stringify(events)}`);
        return events;
      },
      { timeoutMs, intervalMs: 200 },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

export interface ListedHook {
  readonly hook: string;
  readonly outcome: string;
}
export interface ListedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly hooks: readonly ListedHook[];
}

/** One run of `trotline up`, leader of a process group as a shell makes it. */
export class Up implements AsyncDisposable {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string | null>;

  private constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { env, cwd: ROOT, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#ended = once(this.#child, 'close').then(([code, signal]) => code ?? signal);
  }

  /** Resolves with the first screen shown. `prefix`: before `node`; `args`: after the others. */
  static async start(place: Place, prefix: readonly string[] = [], args: readonly string[] = []): Promise<Up> {
    const up = new Up([...prefix, ...upCommand(place), ...args], place.env);
    await up.said(/ip link del hello/);
    return up;
  }

  /** In a pseudo terminal of 80 columns and 24 lines. */
  static async inTerminal(place: Place, env: NodeJS.ProcessEnv = {}): Promise<Up> {
    const command = `stty rows 24 cols 80; exec ${upCommand(place).join(' ')}`;
    const up = new Up(['script', '-qefc', command, '/dev/null'], { ...place.env, TERM: 'xterm', ...env });
    await up.said(/ip link del hello/);
    return up;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get children(): Promise<number[]> {
    return childrenOf(this.pid);
  }

  /** What was said that matches, once it was. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const found = await eventually(() => {
      const match = pattern.exec(this.stderr) ?? pattern.exec(this.stdout);
      if (!match && !this.#hasEnded) throw new Error(`${pattern} was not said:\n${this.stdout}\n${this.stderr}`);
      return { match };
    }, PATIENCE);
    if (!found.match) throw new Error(`it ended without ${pattern}:\n${this.stdout}\n${this.stderr}`);
    return found.match;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What a person types. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** As a terminal does on Ctrl-C: to every process of the group. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Its exit code, or the signal that ended it, and how long that took from now. */
  async end(): Promise<{ exit: number | string | null; seconds: number }> {
    const from = performance.now();
    const exit = await this.#ended;
    return { exit, seconds: (performance.now() - from) / 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.signalGroup('SIGKILL');
    await this.#ended;
  }
}

function upCommand({ entry, hooks, data }: Place): string[] {
  return [process.execPath, entry, 'up', '--hooks', hooks, '--data', data, '--api', '127.0.0.1:0', '--node', 'lap1'];
}

export async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return list.trim().split(' ').filter(Boolean).map(Number);
}

/** Whether a process is there and no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat !== null && !/\) [ZX] /.test(stat);
}

/** Resolves when none of them is there. */
export async function allGone(pids: readonly number[]): Promise<boolean> {
  return eventually(async () => {
    const alive = await Promise.all(pids.map(isAlive));
    if (alive.includes(true)) throw new Error(`still there: ${pids.filter((_, at) => alive[at]).join(' ')}`);
    return true;
  }, PATIENCE);
}

/** The commands that the first screen prints, run as root of the namespace. */
export function doWhatItSays(screen: string): string[] {
  const commands = [...screen.matchAll(/sudo (ip link .*?)\r?\n/g)].map(([, command = '']) => command);
  for (const command of commands) ip(...command.split(' ').slice(1));
  return commands;
}

/** What `launcher.test.ts` has the launcher start as another user: `launcher-scenarios.ts NAME`, its findings as JSON lines. */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { once } from 'node:events';

import { startOpener, Spawner, type SpawnRequest } from '#native';

import { eventually } from '../kit/eventually.ts';
import { childrenOf, nameOf } from '../kit/proc.ts';

const { ppid: launcher } = process;
const never = new AbortController().signal;

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function shell(text: string, more: Partial<SpawnRequest> = {}): SpawnRequest {
  return {
    argv: ['/bin/sh', '-c', text],
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs: 20_000,
    stdin: null,
    directory: null,
    cgroup: null,
    uid: null,
    gid: null,
    groups: [],
    limits: {},
    outputLimit: 65_536,
    ...more,
  };
}

function codeOf(look: () => unknown): string {
  try {
    look();
    return 'seen';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

/** What one of this user gets to see of a process: its memory, environment, descriptors and program. */
function looks(pid: number): string {
  const codes = [
    () => closeSync(openSync(`/proc/${pid}/mem`, 'r+')),
    () => readFileSync(`/proc/${pid}/environ`),
    () => readdirSync(`/proc/${pid}/fd`),
    () => readlinkSync(`/proc/${pid}/exe`),
  ].map(codeOf);
  return [...new Set(codes)].join(' ');
}

/** Every process with a capability, looked into by one of the same user without any. */
async function looking() {
  const opener = startOpener();
  const spawner = await Spawner.start({ lockFile: null });
  const halt = new AbortController();
  const running = spawner.run(shell('sleep 60'), halt.signal);
  const supervisor = await eventually(async () => {
    const [pid] = await childrenOf(spawner.pid ?? 0);
    if (pid === undefined) throw new Error('no supervisor yet');
    return pid;
  });
  const pids = [launcher, ...(await childrenOf(launcher)), supervisor];
  const found = await Promise.all(pids.map(async (pid) => `${await nameOf(pid)}: ${looks(pid)}`));
  halt.abort();
  await running;
  await spawner.stop();
  opener.close();
  say(found.sort());
}

/** Programs of this user, of another and of root. */
async function programs() {
  const spawner = await Spawner.start({ lockFile: null });
  const users = [null, 1, 0];
  const ran = await Promise.all(
    users.map((id) =>
      spawner.run(shell('id -u; grep -E "Cap(Inh|Prm|Eff|Amb)" /proc/self/status', { uid: id, gid: id }), never),
    ),
  );
  const late = await spawner.run(shell('sleep 60 & sleep 60', { uid: 1, gid: 1, timeoutMs: 200 }), never);
  await spawner.stop();
  say({ outputs: ran.map(({ output }) => output), late: { signal: late.signal, timedOut: late.timedOut } });
}

/** One after the other, each killed; before and after that this process and the launcher can be looked at. */
async function lives() {
  const life = async (): Promise<void> => {
    const opener = startOpener();
    const spawner = await Spawner.start({ lockFile: null });
    await spawner.run(shell(':'), never);
    const { pid } = spawner;
    process.kill(pid ?? 0, 'SIGKILL');
    await eventually(() => spawner.pid === null);
    await spawner.run(shell(':'), never);
    await spawner.stop();
    opener.close();
    await eventually(async () => (await childrenOf(launcher)).length === 1);
  };
  await life();
  say(launcher);
  await once(process.stdin, 'data');
  for (let number = 0; number < 10; number++) await life();
  say(launcher);
  await once(process.stdin, 'data');
  process.stdin.destroy();
}

/** A launcher that does not answer, then answers late; then one that is gone. */
async function silence() {
  const from = performance.now();
  process.kill(launcher, 'SIGSTOP');
  const silent = messageOf(() => startOpener());
  const seconds = Math.round((performance.now() - from) / 1000);
  process.kill(launcher, 'SIGCONT');
  const opener = startOpener();
  // The one that was asked for first is thrown away, and ends.
  await eventually(async () => (await childrenOf(launcher)).length === 2);
  opener.close();
  process.on('SIGTERM', () => undefined);
  process.kill(launcher, 'SIGKILL');
  await eventually(() => process.ppid !== launcher);
  const gone = messageOf(() => startOpener());
  const spawner = await Spawner.start({ lockFile: null }).catch((error: unknown) => String(error));
  say({ silent, seconds, gone, spawner });
}

/** Ends and leaves an opener behind that cannot notice. */
async function stopped() {
  startOpener();
  const opener = await eventually(async () => {
    const names = await Promise.all(
      (await childrenOf(launcher)).map(async (pid) => ({ pid, name: await nameOf(pid) })),
    );
    const found = names.find(({ name }) => name === 'trotline-opener');
    if (!found) throw new Error('no opener yet');
    return found.pid;
  });
  process.kill(opener, 'SIGSTOP');
  await new Promise((resolve) => process.stdout.write(`${opener}\n`, resolve));
  process.exit(3);
}

function messageOf(work: () => unknown): string {
  try {
    work();
    return 'nothing was thrown';
  } catch (error) {
    return String(error);
  }
}

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = { looking, programs, lives, silence, stopped };

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
await scenario();

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Spawner } from '#native';
import { eventually } from '../kit/eventually.ts';
import {
  childrenOf,
  escapes,
  folder,
  lockFile,
  marked,
  never,
  open,
  procText,
  program,
  running,
  setUpSpawners,
  shell,
  statOf,
} from './spawner-scenarios.ts';

const clients: ChildProcess[] = [];

setUpSpawners();

afterEach(() => {
  for (const client of clients.splice(0)) client.kill('SIGKILL');
});

/** Another process with a spawner of its own, that runs three trees. */
async function client(): Promise<ChildProcess> {
  const text = `
    const { Spawner } = await import(${JSON.stringify(new URL('../../native/index.ts', import.meta.url).href)});
    const spawner = await Spawner.start({ lockFile: ${JSON.stringify(lockFile)} });
    const request = ${JSON.stringify(shell(`${escapes('/dev/null')} sleep 60`))};
    for (let i = 0; i < 3; i++) void spawner.run(request, new AbortController().signal);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: 'inherit' });
  clients.push(child);
  await eventually(() => expect(marked().length).toBeGreaterThanOrEqual(15));
  return child;
}

function supervisorOf(program: number | undefined): number {
  return statOf(program ?? 0).parent;
}

/** Whether a process waits for the lock. */
function contended(): boolean {
  const { ino } = statSync(lockFile);
  return readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .some((line) => line.includes('-> FLOCK') && line.includes(`:${ino} `));
}

function status(pid: number, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(procText(pid, 'status'))?.[1]);
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

describe('no program outlives those who answer for it', () => {
  it('ends everything when the client is killed', async () => {
    const child = await client();
    child.kill('SIGKILL');
    await eventually(() => expect(marked()).toEqual([]));
    // Free again: the spawner and its supervisors are gone too.
    expect(await (await open({ lockFile })).run(program(['/bin/true']), never)).toMatchObject({ exitCode: 0 });
  });

  it('ends everything when the spawner is killed, and starts another for the next run', async () => {
    const reasons: string[] = [];
    const spawner = await open({ lockFile, onExit: (reason) => reasons.push(reason) });
    const job = await running(spawner, shell(`${escapes('/dev/null')} sleep 60`), never, 5);
    const { pid } = spawner;
    process.kill(pid ?? 0, 'SIGKILL');
    await expect(job.ended).rejects.toMatchObject({
      code: 'SPAWNER_LOST',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(spawner.pid).toBe(null);
    const left = await spawner.run(shell(`echo ok`), never);
    expect(left).toMatchObject({ exitCode: 0, output: 'ok\n' });
    expect(marked()).toEqual([]);
    expect(reasons).toEqual(['SIGKILL']);
    expect(spawner.pid).not.toBe(pid);
  });

  it('ends a tree whose supervisor is killed, and no other', async () => {
    const spawner = await open();
    const job = await running(spawner, shell(`${escapes('/dev/null')} sleep 60`), never, 5);
    const tree = marked();
    const other = await running(spawner, shell('sleep 0.5; echo other'));
    process.kill(supervisorOf(tree[0]), 'SIGKILL');
    expect(await job.ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: false });
    expect(marked().filter((pid) => tree.includes(pid))).toEqual([]);
    expect(await other.ended).toMatchObject({ exitCode: 0, output: 'other\n' });
  });

  it('does not end with the signals that ask the sidecar to stop', async () => {
    const spawner = await open();
    const job = await running(spawner, shell('sleep 0.3; echo done'));
    const supervisor = supervisorOf(marked()[0]);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.kill(spawner.pid ?? 0, signal);
      process.kill(supervisor, signal);
    }
    expect(await job.ended).toMatchObject({ exitCode: 0, output: 'done\n' });
  });
});

describe('the lock', () => {
  it('lets a second spawner begin when the first has stopped', async () => {
    const first = await open({ lockFile });
    const job = await running(first, shell(`${escapes('/dev/null')} sleep 60`), never, 5);
    const second = open({ lockFile }).then(() => marked());
    await eventually(contended);
    await first.stop();
    expect(await second).toEqual([]);
    expect(await job.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  it('is kept by the supervisors of a spawner that was killed until their trees are dead', async () => {
    const spawner = await open({ lockFile });
    const job = await running(spawner, program(['/bin/sleep', '60']));
    const supervisor = supervisorOf(marked()[0]);
    process.kill(supervisor, 'SIGSTOP');
    process.kill(spawner.pid ?? 0, 'SIGKILL');
    await expect(job.ended).rejects.toMatchObject({ code: 'SPAWNER_LOST' });
    const next = spawner.run(program(['/bin/true']), never).then((ended) => ({ ended, left: marked() }));
    await eventually(contended);
    expect(marked().length).toBe(1);
    process.kill(supervisor, 'SIGCONT');
    expect(await next).toMatchObject({ ended: { exitCode: 0 }, left: [] });
  });

  it('is not waited for after an abort or a stop', async () => {
    await open({ lockFile });
    const halt = new AbortController();
    const second = Spawner.start({ lockFile, signal: halt.signal });
    await eventually(contended);
    halt.abort();
    await expect(second).rejects.toThrow('ended before it was ready');
    await expect(Spawner.start({ lockFile, signal: halt.signal })).rejects.toThrow('ended before it was ready');
  });

  it('that cannot be taken is named', async () => {
    await expect(Spawner.start({ lockFile: `${folder}/none/lock` })).rejects.toMatchObject({
      code: 'SPAWNER_UNAVAILABLE',
      message: 'the spawner cannot serve: open failed with ENOENT',
    });
  });
});

describe('a spawner', () => {
  it('that was not built is reported with its path and the remedy', async () => {
    await expect(Spawner.start({ lockFile: null, binary: `${folder}/none` })).rejects.toMatchObject({
      code: 'NATIVE_UNAVAILABLE',
      message: expect.stringMatching(/\/none; install .* "npm rebuild"/),
    });
  });

  it('runs thirty programs at once', async () => {
    const spawner = await open();
    const startedAt = performance.now();
    const jobs = Array.from({ length: 30 }, (_, index) => spawner.run(shell(`sleep 0.5; echo ${index}`), never));
    const ended = await Promise.all(jobs);
    expect(ended.map((each) => each.output)).toEqual(Array.from({ length: 30 }, (_, index) => `${index}\n`));
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  it('leaves no zombie and no descriptor, and stays within 4 MiB', async () => {
    const spawner = await open({ lockFile });
    const pid = spawner.pid ?? 0;
    await spawner.run(program(['/bin/true']), never);
    await eventually(() => expect(childrenOf(pid)).toEqual([]));
    const before = [descriptors(pid), descriptors(process.pid)];
    const requests = [
      program(['/bin/true']),
      program(['/nowhere']),
      program(['/bin/cat'], { stdin: 'x'.repeat(1_000_000), outputLimit: 1_048_576 }),
      shell('sleep 5 & exit 1'),
      program(['/bin/sleep', '5'], { timeoutMs: 1 }),
    ];
    for (let round = 0; round < 50; round++) {
      await Promise.all([...requests, ...requests].map((request) => spawner.run(request, never)));
    }
    await eventually(() => expect(childrenOf(pid)).toEqual([]));
    expect([descriptors(pid), descriptors(process.pid)]).toEqual(before);
    expect(childrenOf(process.pid).filter((child) => statOf(child).state === 'Z')).toEqual([]);
    expect(status(pid, 'VmRSS')).toBeLessThan(4096);
  });

  it('does not keep its process from ending while it is idle', async () => {
    const text = `
      const { Spawner } = await import(${JSON.stringify(new URL('../../native/index.ts', import.meta.url).href)});
      const spawner = await Spawner.start({ lockFile: null });
      const ended = await spawner.run(${JSON.stringify(program(['/bin/echo', 'x']))}, new AbortController().signal);
      process.exitCode = ended.output === 'x\\n' ? 7 : 1;`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: 'inherit' });
    clients.push(child);
    expect(await once(child, 'exit')).toEqual([7, null]);
  });

  it('reads the monotonic clock only, so that a step of the wall clock ends nothing', () => {
    const sources = new URL('../../native/src/', import.meta.url);
    for (const name of readdirSync(sources).filter((each) => each.startsWith('spawner'))) {
      expect(readFileSync(new URL(name, sources), 'utf8')).not.toMatch(
        /CLOCK_REALTIME|gettimeofday|\btime\(|TIMER_ABSTIME/,
      );
    }
  });
});

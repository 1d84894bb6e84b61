import { describe, expect, it } from 'vitest';

import type { Ended, Log, Program } from '#core';
import type { SpawnerOptions, SpawnRequest } from '#native';

import { DEFAULT_POLICY, type NodePolicy } from '../../../sidecar/policy.ts';
import { ProgramHost, type Programs } from '../../../sidecar/program-host.ts';
import { identityOf } from '../../../sidecar/program-user.ts';
import { silentLog } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';

const never = new AbortController().signal;

const EXIT_0: Ended = {
  exitCode: 0,
  signal: null,
  startError: null,
  timedOut: false,
  durationMs: 1,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

const TRUE: Program = {
  argv: ['/bin/true'],
  shell: false,
  env: {},
  timeoutMs: 1000,
  stdin: null,
  directory: null,
  user: null,
  limits: {},
  cgroup: null,
};

const BINARIES: NodePolicy = { ...DEFAULT_POLICY, script: { ...DEFAULT_POLICY.script, directories: ['/bin'] } };

interface Job {
  readonly request: SpawnRequest;
  readonly end: (error?: Error) => void;
}

/** A host whose spawner is the test: each program waits in `jobs`; `opening` are the tries to start the spawner. */
function hostOf(policy = BINARIES, open?: (options: SpawnerOptions) => Promise<Programs>) {
  const jobs: Job[] = [];
  const said: unknown[] = [];
  const opened: SpawnerOptions[] = [];
  let stopped = 0;
  const programs: Programs = {
    run: (request) =>
      new Promise((resolve, reject) => {
        jobs.push({ request, end: (error) => (error ? reject(error) : resolve(EXIT_0)) });
      }),
    stop: async () => void stopped++,
  };
  const log: Log = {
    ...silentLog,
    warn: (fields) => void said.push(fields),
    error: (fields) => void said.push(fields),
  };
  const host = new ProgramHost({
    lockFile: '/run/lock',
    policy,
    log,
    open: (options) => {
      opened.push(options);
      return open?.(options) ?? Promise.resolve(programs);
    },
  });
  return { host, jobs, said, opened, programs, stopped: () => stopped };
}

function coded(code: string): Error {
  return Object.assign(new Error(`the spawner said ${code}`), { code });
}

describe('a program host', () => {
  it('starts its spawner with the first program, once', async () => {
    const { host, jobs, opened } = hostOf();
    expect(opened).toEqual([]);
    const runs = [host.run(TRUE, never), host.run(TRUE, never)];
    await eventually(() => jobs.length === 2);
    for (const { end } of jobs) end();
    expect(await Promise.all(runs)).toEqual([EXIT_0, EXIT_0]);
    expect(opened).toMatchObject([{ lockFile: '/run/lock' }]);
  });

  it('gives the spawner the program, as nobody else, with 64 KiB of output', async () => {
    const { host, jobs } = hostOf();
    const run = host.run({ ...TRUE, env: { A: 'b' }, stdin: 'x', directory: '/var', limits: { openFiles: 9 } }, never);
    await eventually(() => jobs.length === 1);
    jobs[0]!.end();
    await run;
    expect(jobs[0]!.request).toEqual({
      argv: ['/bin/true'],
      env: { A: 'b' },
      timeoutMs: 1000,
      stdin: 'x',
      directory: '/var',
      cgroup: null,
      limits: { openFiles: 9 },
      uid: null,
      gid: null,
      groups: [],
      outputLimit: 65_536,
    });
  });

  it('runs nothing whose signal is aborted already', async () => {
    const { host, opened } = hostOf();
    expect(await host.run(TRUE, AbortSignal.abort())).toMatchObject({ signal: 'SIGKILL' });
    expect(opened).toEqual([]);
  });

  it('does not wait for a spawner that does not come when the program is aborted', async () => {
    const { host, opened } = hostOf(BINARIES, () => new Promise(() => undefined));
    const lease = new AbortController();
    const run = host.run(TRUE, lease.signal);
    await eventually(() => opened.length === 1);
    lease.abort();
    expect(await run).toMatchObject({ signal: 'SIGKILL' });
  });
});

describe('a program that cannot run', () => {
  it('is told from one that can, also when both start together', async () => {
    const { host, jobs } = hostOf({ ...BINARIES, script: { ...BINARIES.script, users: ['root'] } });
    const runs = [
      host.run(TRUE, never),
      host.run({ ...TRUE, user: 'nobody' }, never),
      host.run({ ...TRUE, shell: true }, never),
      host.run({ ...TRUE, argv: ['/etc/passwd'] }, never),
      host.run({ ...TRUE, user: 'root' }, never),
    ];
    const settled = Promise.allSettled(runs);
    await eventually(() => jobs.length === 2);
    for (const { end } of jobs) end();
    const statuses = (await settled).map(({ status }) => status);
    expect(statuses).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled']);
  });

  it('is refused by the policy, without a spawner', async () => {
    const { host, opened } = hostOf(DEFAULT_POLICY);
    await expect(host.run(TRUE, never)).rejects.toMatchObject({ code: 'POLICY_REFUSED' });
    expect(opened).toEqual([]);
  });

  it('is told with the remedy where the native part is not built, and runs once it is', async () => {
    let built = false;
    const { host, jobs, said, programs } = hostOf(BINARIES, () =>
      built ? Promise.resolve(programs) : Promise.reject(coded('NATIVE_UNAVAILABLE')),
    );
    for (let time = 0; time < 2; time++) {
      await expect(host.run(TRUE, never)).rejects.toMatchObject({
        code: 'NATIVE_UNAVAILABLE',
        message: 'the spawner said NATIVE_UNAVAILABLE',
      });
    }
    expect(said).toEqual([{ reason: 'the spawner said NATIVE_UNAVAILABLE' }]);
    built = true;
    const run = host.run(TRUE, never);
    await eventually(() => jobs.length === 1);
    jobs[0]!.end();
    expect(await run).toEqual(EXIT_0);
  });

  it.each([
    ['SPAWNER_UNAVAILABLE', 'PEER_UNAVAILABLE', true],
    ['SPAWNER_LOST', 'INTERRUPTED', true],
  ])('is told as the end of its spawner says: %s', async (native, code, retryable) => {
    const { host, jobs } = hostOf();
    const run = host.run(TRUE, never);
    await eventually(() => jobs.length === 1);
    jobs[0]!.end(coded(native));
    await expect(run).rejects.toMatchObject({ code, retryable });
  });
});

describe('the stop of a program host', () => {
  it('stops its spawner, and starts nothing after it', async () => {
    const { host, jobs, stopped } = hostOf();
    const run = host.run(TRUE, never);
    await eventually(() => jobs.length === 1);
    jobs[0]!.end();
    await run;
    await host.stop();
    expect(stopped()).toBe(1);
    await expect(host.run(TRUE, never)).rejects.toMatchObject({ code: 'STATE_ILLEGAL' });
  });

  it('needs no spawner, and ends the wait for one', async () => {
    await hostOf().host.stop();
    const { host, opened } = hostOf(
      BINARIES,
      ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(coded('SPAWNER_UNAVAILABLE')));
        }),
    );
    const run = host.run(TRUE, never);
    run.catch(() => undefined);
    await eventually(() => opened.length === 1);
    await host.stop();
    await expect(run).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' });
  });
});

describe('N36: the user of a program', () => {
  it.each([
    [null, { uid: null, gid: null, groups: [] }],
    ['root', { uid: 0, gid: 0, groups: expect.arrayContaining([0]) }],
    ['0', { uid: 0, gid: 0, groups: expect.arrayContaining([0]) }],
    ['54321', { uid: 54_321, gid: 54_321, groups: [54_321] }],
    ['54321:54322', { uid: 54_321, gid: 54_322, groups: [54_322] }],
    ['54321:root', { uid: 54_321, gid: 0, groups: [0] }],
  ])('%s is what the node says', async (user, identity) => {
    expect(await identityOf(user)).toEqual(identity);
  });

  it.each([
    ['', 'user ""'],
    [':root', 'user ""'],
    ['54321:', 'group ""'],
    ['no-such-user', 'user "no-such-user"'],
    ['54321:no-such-group', 'group "no-such-group"'],
    ['-1', 'user "-1"'],
    ['0x0', 'user "0x0"'],
    ['4294967295', 'user "4294967295"'],
  ])('%j is refused', async (user, what) => {
    await expect(identityOf(user)).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
      message: `${what} is not known on this node`,
    });
  });
});

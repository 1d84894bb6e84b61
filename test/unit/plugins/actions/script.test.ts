import { describe, expect, it } from 'vitest';

import { AppError, checkConfig, type Ended, parseConfig, type Program, type TrotlineEvent } from '#core';

import { script } from '../../../../plugins/actions/script/index.ts';
import { attemptOf, eventOf, manualClock, silentLog } from '../../../kit/action-context.ts';
import { checkActionContract } from '../../../kit/contract.ts';

checkActionContract(script, { command: ['/opt/hooks/alert.sh'] });

const EXIT_0: Ended = {
  exitCode: 0,
  signal: null,
  startError: null,
  timedOut: false,
  durationMs: 12.3,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

/** The action before a host whose programs end like this. */
function ending(end: Partial<Ended> | Error = {}, config: object = { command: ['/opt/hooks/alert.sh', '$(id)'] }) {
  const programs: Program[] = [];
  const run = (program: Program): Promise<Ended> => {
    programs.push(program);
    return end instanceof Error ? Promise.reject(end) : Promise.resolve({ ...EXIT_0, ...end });
  };
  const fetch = () => Promise.reject(new Error('a script fetches nothing'));
  const options = parseConfig(script.config, config, 'script');
  const action = script.create(options, { clock: manualClock(), log: silentLog, fetch, run });
  const handle = (event: Partial<TrotlineEvent> = {}, attempt = {}) =>
    action.handle(eventOf(event), attemptOf(attempt));
  return { programs, handle };
}

async function programOf(config: object, event: Partial<TrotlineEvent> = {}, attempt = {}): Promise<Program> {
  const { programs, handle } = ending({}, config);
  await handle(event, attempt);
  return programs[0]!;
}

describe('the program of a script', () => {
  it('has exactly the documented environment', async () => {
    const { env } = await programOf({ command: ['/bin/x'] }, {}, { number: 2, traceparent: '00-aa-bb-01' });
    expect(env).toEqual({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      NLMON_TIMESTAMP: String(eventOf().time),
      NLMON_SEQUENCE: '7',
      NLMON_EVENT_TYPE: '1',
      NLMON_MESSAGE_TYPE: '17',
      NLMON_INTERFACE: 'veth0',
      TROTLINE_DELIVERY_ID: 'd-0123456789abcdef',
      TROTLINE_ATTEMPT: '2',
      TROTLINE_HOOK: 'trotline/test',
      TROTLINE_EVENT_ID: 'netlink-f00d-7',
      TROTLINE_EVENT_TYPE: 'netlink.link-deleted',
      TRACEPARENT: '00-aa-bb-01',
    });
  });

  it('N14: has no NLMON_INTERFACE where none applies', async () => {
    const { env } = await programOf({ command: ['/bin/x'] }, { interface: '' });
    expect(Object.keys(env)).not.toContain('NLMON_INTERFACE');
    expect(Object.keys(env)).not.toContain('TRACEPARENT');
  });

  it('is the command as it stands, with /dev/null, in /, as the sidecar, for 30 s', async () => {
    expect(await programOf({ command: ['/bin/x', '$(id)', '{{event}}'] })).toMatchObject({
      argv: ['/bin/x', '$(id)', '{{event}}'],
      shell: false,
      stdin: null,
      directory: null,
      user: null,
      limits: {},
      cgroup: null,
      timeoutMs: 30_000,
    });
  });

  it('has the directory, the user, the limits and the timeout of its config', async () => {
    const options = { user: 'nobody:nogroup', directory: '/var' };
    const limits = { openFiles: 20, cgroup: { pids: 9 } };
    const program = await programOf({ command: ['/bin/x'], timeout: '5s', ...options, limits });
    expect(program).toMatchObject({ ...options, timeoutMs: 5000 });
    expect([program.limits, program.cgroup]).toEqual([{ openFiles: 20 }, { pids: 9 }]);
  });

  it('reads the event as a CloudEvent', async () => {
    const { stdin } = await programOf({ command: ['/bin/x'], stdin: 'event' }, { interface: '\u001b[2J"' });
    expect(JSON.parse(stdin ?? '')).toMatchObject({ id: 'netlink-f00d-7', data: { interface: '\u001b[2J"' } });
  });

  it.each(['/opt/hooks/alert.sh', '/opt/böse/a+b,c:d@e%f=g-h_1.sh'])('is the path %s itself', async (path) => {
    expect(await programOf({ script: path })).toMatchObject({ argv: [path], shell: false });
  });

  it.each(['/opt/a.sh --page', '/opt/a.sh;id', '/opt/$HOME', '/opt/*', 'a.sh', '/opt/a\nid', '/opt/~a', 'exit 1'])(
    'is a shell with the text %j',
    async (text) => {
      expect(await programOf({ script: text })).toMatchObject({ argv: ['/bin/sh', '-c', text], shell: true });
    },
  );
});

describe('the config of a script', () => {
  it.each([
    [{ command: [] }, '/command'],
    [{ command: ['/bin/x', 'a\0b'] }, '/command/1'],
    [{ script: 'a\0b' }, '/script'],
    [{ user: '' }, '/user'],
    [{ user: 'nobody:' }, '/user'],
    [{ user: ':nogroup' }, '/user'],
    [{ user: 'a:b:c' }, '/user'],
    [{ directory: 'var' }, '/directory'],
    [{ timeout: '50d' }, '/timeout'],
    [{ limits: { openFiles: 2 } }, '/limits/openFiles'],
    [{ limits: { cgroup: {} } }, '/limits/cgroup'],
    [{ limits: { cgroup: { cpuPercent: 0 } } }, '/limits/cgroup/cpuPercent'],
    [{ limits: { memoryBytes: 1e300 } }, '/limits/memoryBytes'],
    [{ stdin: 'all' }, '/stdin'],
  ])('is refused when it is %j', (config, path) => {
    expect(checkConfig(script.config, config).issues.map((issue) => issue.path)).toEqual([path]);
  });

  it.each([
    [{}, '`command` is missing'],
    [{ command: ['alert.sh'] }, '"alert.sh" is not an absolute path'],
  ])('makes no hook when it is %j', (config, message) => {
    expect(() => ending({}, config)).toThrow(message);
  });
});

describe('the result of a script', () => {
  it.each<[string, Partial<Ended>, object]>([
    ['exit 0', {}, { status: 'delivered', detail: 'exit 0' }],
    ['exit 75', { exitCode: 75 }, { status: 'retry', reason: 'exit 75' }],
    ['exit 1', { exitCode: 1 }, { status: 'rejected', reason: 'exit 1', detail: 'exit 1' }],
    ['exit 127', { exitCode: 127 }, { status: 'rejected', reason: 'exit 127' }],
    ['a signal', { exitCode: null, signal: 'SIGSEGV' }, { status: 'rejected', reason: 'killed by SIGSEGV' }],
    [
      'a timeout',
      { exitCode: null, signal: 'SIGKILL', timedOut: true, durationMs: 500.4 },
      { status: 'rejected', reason: 'timed out after 500 ms', timedOut: true },
    ],
    [
      'a start that failed for want of resources',
      { exitCode: null, startError: { syscall: 'fork', code: 'EAGAIN', transient: true } },
      { status: 'retry', reason: 'not started: fork EAGAIN' },
    ],
    [
      'a start that will always fail',
      { exitCode: null, startError: { syscall: 'execve', code: 'ENOEXEC', transient: false } },
      { status: 'rejected', reason: expect.stringMatching(/^not started: execve ENOEXEC \(it is no program;/) },
    ],
    [
      'too much output',
      { output: 'much', outputTruncated: true },
      { status: 'delivered', output: 'much', detail: 'exit 0, output cut off' },
    ],
  ])('of %s is its own', async (_, end, result) => {
    expect(await ending(end).handle()).toMatchObject(result);
  });

  it.each(['POLICY_REFUSED', 'NATIVE_UNAVAILABLE'] as const)('of %s is rejected with its reason', async (code) => {
    const { handle } = ending(new AppError(code, 'run "npm rebuild"'));
    expect(await handle()).toEqual({ status: 'rejected', reason: 'run "npm rebuild"' });
  });

  it('of a spawner that cannot serve is retry', async () => {
    const { handle } = ending(new AppError('PEER_UNAVAILABLE', 'no lock'));
    expect(await handle()).toEqual({ status: 'retry', reason: 'no lock' });
  });

  it.each([new AppError('INTERRUPTED', 'spawner lost'), new TypeError('defect')])('of %s is none', async (error) => {
    await expect(ending(error).handle()).rejects.toBe(error);
  });
});

describe('event text that no program can be given', () => {
  it.each<[string, Partial<TrotlineEvent>, string]>([
    ['a NUL byte', { interface: 'a\0b' }, 'NLMON_INTERFACE holds a NUL byte, which no program can be given'],
    [
      'an over-long name',
      { interface: 'é'.repeat(65_536) },
      'NLMON_INTERFACE is 131089 bytes, at most 131072 can be given to a program',
    ],
    [
      'an over-long event',
      { attributes: { text: 'x'.repeat(5_000_000) } },
      expect.stringMatching(/^the event is 5000\d+ bytes, at most 4194304 fit on stdin$/),
    ],
  ])('is one clear reason: %s', async (_, event, reason) => {
    const { programs, handle } = ending({}, { command: ['/bin/x'], stdin: 'event' });
    expect(await handle(event)).toEqual({ status: 'rejected', reason });
    expect(programs).toEqual([]);
  });

  it('may be as long as the kernel takes', async () => {
    const longest = 'x'.repeat(131_072 - 'NLMON_INTERFACE='.length - 1);
    expect(await ending().handle({ interface: longest })).toMatchObject({ status: 'delivered' });
  });
});

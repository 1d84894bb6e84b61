import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { describe, expect, it, vi } from 'vitest';

import { Spawner, startOpener } from '#native';

import { eventually } from '../kit/eventually.ts';
import { childrenOf } from './spawner-scenarios.ts';

const LAUNCHER = fileURLToPath(new URL('../../native/build/Release/trotline-launcher', import.meta.url));
const SCENARIOS = fileURLToPath(new URL('launcher-scenarios.ts', import.meta.url));
const noTerminal = spawnSync('script', ['--version']).status !== 0;
const noCapsh = spawnSync('capsh', ['--print']).status !== 0;
const ROOT = process.getuid?.() === 0;
if (!ROOT) console.warn("the launcher's --user is tested as one's own user only: another needs root");
const SELF = ROOT ? 'nobody:nogroup' : String(process.getuid?.());

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(LAUNCHER, args, { encoding: 'utf8' });
  return { status, stdout, stderr: stderr.trim() };
}

const shell = (text: string): string[] => ['/bin/sh', '-c', text];

function descriptorsOf(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** What a program says: to wait for what matches. */
function output(stream: Readable): (pattern: RegExp) => Promise<RegExpExecArray> {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => (text += more));
  return (pattern) =>
    eventually(
      () => {
        const match = pattern.exec(text);
        if (!match) throw new Error(`${pattern} was not said: ${text}`);
        return match;
      },
      { timeoutMs: 20_000 },
    );
}

describe('the launcher', () => {
  it.each([
    [[], 'no COMMAND, expected trotline-launcher [--user USER[:GROUP]] [--least] COMMAND [ARGUMENT...]'],
    [['--lest', 'true'], 'unknown option "--lest", expected trotline-launcher [--user'],
    [['--user'], '--user has no value, expected USER[:GROUP]'],
    [['--user', 'nowho', 'true'], '--user "nowho": user "nowho" is not known here, expected a name or a number'],
    [['--user', '0:nogrp', 'true'], '--user "0:nogrp": group "nogrp" is not known here, expected a name or a number'],
    [['--user', '4294967295', 'true'], '--user "4294967295": user "4294967295" is not known here'],
  ])('refuses %j in one line', (args, message) => {
    const { status, stderr } = run(...args);
    expect({ status, lines: stderr.split('\n').length }).toEqual({ status: 2, lines: 1 });
    expect(stderr).toContain(`trotline-launcher: ${message}`);
  });

  it('says how it is used', () => {
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: trotline-launcher \[/) });
  });

  it.each([
    [['true'], 0],
    [shell('exit 7'), 7],
    [shell('kill -KILL $$'), 137],
    [['/nowhere/at-all'], 127],
    [['/etc/passwd'], 126],
  ])('ends as %j does', (command, status) => {
    expect(run(...command).status).toBe(status);
  });

  it('ends as its command does where it was started with SIGCHLD ignored, and the command has the default', () => {
    const { status, stdout } = spawnSync(
      'env',
      ['--ignore-signal=CHLD', LAUNCHER, ...shell('grep SigIgn /proc/self/status; exit 5')],
      { encoding: 'utf8', timeout: 10_000, killSignal: 'SIGKILL' },
    );
    expect({ status, stdout }).toEqual({ status: 5, stdout: `SigIgn:\t${'0'.repeat(16)}\n` });
  });

  it('says how many open files it needs', () => {
    const { status, stderr } = spawnSync('/bin/sh', ['-c', `ulimit -n 50; exec ${LAUNCHER} true`], {
      encoding: 'utf8',
    });
    const message = 'trotline-launcher: too few open files are allowed (ulimit -n): expected at least 101\n';
    expect({ status, stderr }).toEqual({ status: 1, stderr: message });
  });

  it.skipIf(!ROOT || noCapsh)('says which capabilities --user needs', () => {
    const command = `exec ${LAUNCHER} --user 12345 true`;
    const { stderr } = spawnSync('capsh', ['--drop=cap_setuid,cap_setgid', '--', '-c', command], { encoding: 'utf8' });
    const needs = 'needs CAP_SETUID and CAP_SETGID (setgroups: Operation not permitted)';
    expect(stderr).toBe(`trotline-launcher: --user 12345: ${needs}\n`);
  });

  it('passes SIGTERM on, and ends with what became of it', async () => {
    const child = spawn(LAUNCHER, shell('trap "exit 9" TERM; echo; while :; do sleep 0.05; done'), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
  });

  it('gives its command its line, no other descriptor and no capability', () => {
    const list = 'ls /proc/self/fd';
    const without = spawnSync('/bin/sh', ['-c', list], { encoding: 'utf8' }).stdout.trim().split('\n');
    const asked = `echo $TROTLINE_LAUNCHER_FD; ${list}; grep -E "Cap(Prm|Eff|Amb)|NoNew" /proc/self/status`;
    const [line, ...lines] = run('--user', SELF, ...shell(asked))
      .stdout.trim()
      .split('\n');
    expect(new Set(lines.slice(0, -4))).toEqual(new Set([...without, line]));
    const none = '0'.repeat(16);
    expect(lines.slice(-4).map((text) => text.split('\t')[1])).toEqual([none, none, none, '1']);
  });

  it.skipIf(!ROOT)('becomes the user before anything of theirs runs, with the groups of that user', () => {
    expect(run('--user', 'nobody:nogroup', 'id', '-un').stdout).toBe('nobody\n');
    expect(run('--user', 'nobody:daemon', ...shell('id -gn; id -Gn')).stdout).toBe('daemon\ndaemon\n');
    expect(run('--user', '12345', ...shell('id -u; id -g')).stdout).toBe('12345\n12345\n');
  });

  it('lies outside of what its command can look into', async () => {
    const child = spawn(LAUNCHER, ['--user', SELF, 'sleep', '10']);
    const own = (): string => readlinkSync(`/proc/${child.pid}/exe`);
    // Whoever tests as root may look anyway.
    if (ROOT) expect(own()).toBe(LAUNCHER);
    const asked = spawnSync(LAUNCHER, ['--user', SELF, ...shell(`readlink /proc/${child.pid}/exe || echo refused`)], {
      encoding: 'utf8',
    });
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(asked.stdout).toBe('refused\n');
  });

  it('takes what follows -- as it is', () => {
    expect(run('--', 'sh', '-c', 'exit 3').status).toBe(3);
  });

  it('has /dev/null where its own standard streams were closed', () => {
    const closed = `exec ${LAUNCHER} ls -l /proc/self/fd <&- 2>&-`;
    const { status, stdout } = spawnSync('/bin/sh', ['-c', closed], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/ 0 -> \/dev\/null\n[^]* 2 -> \/dev\/null\n/);
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGQUIT'] as const)('passes %s on', async (signal) => {
    const child = spawn(LAUNCHER, shell(`trap "exit 9" ${signal.slice(3)}; echo; while :; do sleep 0.05; done`), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([9, null]);
  });

  it.skipIf(noTerminal)(
    'leaves the Ctrl-C of a terminal to the terminal, which sends it to the command, too',
    async () => {
      const counting = 'n=0; trap "n=\\$((n+1)); echo int" INT; trap "echo total \\$n; exit" TERM; echo pid $PPID';
      const text = `${counting}; while :; do sleep 0.05; done`;
      const child = spawn('script', ['-qefc', `exec ${LAUNCHER} sh -c '${text}'`, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const seen = output(child.stdout);
      const pid = Number((await seen(/pid (\d+)/))[1]);
      child.stdin.write('\u0003');
      await seen(/int\r?\n/);
      // A SIGINT that it passed on would come before.
      process.kill(pid, 'SIGTERM');
      expect((await seen(/total (\d+)/))[1]).toBe('1');
      await once(child, 'exit');
    },
  );

  it.skipIf(!ROOT)('reaps orphans as process 1', () => {
    const orphan =
      'pid=$(sh -c "sleep 0.1 > /dev/null & echo \\$!"); until [ ! -e /proc/$pid ]; do sleep 0.01; done; echo $$ reaped';
    const { stdout } = spawnSync('unshare', ['-pf', '--kill-child', '--mount-proc', LAUNCHER, ...shell(orphan)], {
      encoding: 'utf8',
      timeout: 10_000,
      killSignal: 'SIGKILL',
    });
    expect(stdout).toBe('2 reaped\n');
  });
});

describe('a process that the launcher did not start', () => {
  it('is told what is wrong with the variable that names the line', async () => {
    vi.stubEnv('TROTLINE_LAUNCHER_FD', 'x');
    const wrong = 'TROTLINE_LAUNCHER_FD is "x", expected the number of a descriptor';
    expect(() => startOpener()).toThrow(wrong);
    await expect(Spawner.start({ lockFile: null })).rejects.toMatchObject({
      code: 'SPAWNER_UNAVAILABLE',
      message: wrong,
    });
    vi.unstubAllEnvs();
  });
});

describe.skipIf(!ROOT)('a process that the launcher started as another user', () => {
  const args = (scenario: string): string[] => [
    '--user',
    SELF,
    '--least',
    process.execPath,
    '--conditions=source',
    SCENARIOS,
    scenario,
  ];
  const start = (scenario: string) => spawn(LAUNCHER, args(scenario), { stdio: ['pipe', 'pipe', 'inherit'] });

  async function told<T>(scenario: string): Promise<T> {
    const child = start(scenario);
    const closed = once(child, 'close');
    const [line = ''] = await output(child.stdout)(/.+(?=\n)/);
    await closed;
    const value: T = JSON.parse(line);
    return value;
  }

  it('N36: cannot look into any process that has a capability', async () => {
    expect(await told('looking')).toEqual([
      // Itself, for comparison.
      'MainThread: seen',
      'trotline-launch: EACCES',
      'trotline-opener: EACCES',
      'trotline-spawne: EACCES',
      'trotline-spawne: EACCES',
    ]);
  });

  it('N36: has programs without a capability, whoever their user is, and ends those of others', async () => {
    const none = ['Inh', 'Prm', 'Eff', 'Amb'].map((set) => `Cap${set}:\t${'0'.repeat(16)}\n`).join('');
    expect(await told('programs')).toEqual({
      outputs: [`65534\n${none}`, `1\n${none}`, `0\n${none}`],
      late: { signal: 'SIGKILL', timedOut: true },
    });
  });

  it('gets new helpers for those that died, and neither it nor the launcher keeps a descriptor of them', async () => {
    const child = start('lives');
    const descriptors = (): number[] => [child.pid, ...childrenOf(child.pid ?? 0)].map(descriptorsOf);
    const told = output(child.stdout);
    await told(/\n/);
    const before = descriptors();
    child.stdin.write('\n');
    await told(/\n.*\n/);
    expect(descriptors()).toEqual(before);
    expect(before).toHaveLength(2);
    child.stdin.write('\n');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('is told within a second that the launcher does not answer, and at once that it is gone', async () => {
    const began = 'trotline-launcher did not start the';
    expect(await told('silence')).toEqual({
      silent: `NativeError: ${began} opener: it does not answer`,
      seconds: 1,
      gone: `NativeError: ${began} opener: it is gone`,
      spawner: `Error: ${began} spawner: it is gone`,
    });
  });

  it('leaves no opener behind that is stopped, and says so', async () => {
    const child = spawn(LAUNCHER, args('stopped'), { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = output(child.stderr);
    const exited = once(child, 'exit');
    const pid = Number((await output(child.stdout)(/(\d+)\n/))[1]);
    await said(new RegExp(`the opener \\(process ${pid}\\) did not end by itself and was killed`));
    expect(await exited).toEqual([3, null]);
    await eventually(() => !existsSync(`/proc/${pid}`) || / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  });
});

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('../../native/build/Release/trotline-launcher', import.meta.url));
const ROOT = process.getuid?.() === 0;
if (!ROOT) console.warn("the launcher's --user is tested as one's own user only: another needs root");
const SELF = ROOT ? 'nobody:nogroup' : String(process.getuid?.());

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(LAUNCHER, args, { encoding: 'utf8' });
  return { status, stdout, stderr: stderr.trim() };
}

const shell = (text: string): string[] => ['/bin/sh', '-c', text];

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
});

import { copyFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { trace } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { EventDetail } from '../../../control-plane/store/types.ts';
import { hook, nlmon, sh, startScripts } from './kit.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('script: the tests of users (N36) are skipped, they need root');

/** What `env -0` printed. */
function variables(output: string): Record<string, string> {
  const lines = output.split('\0').filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

describe('what a script is given', () => {
  beforeAll(() => void trace.setGlobalTracerProvider(new TracerProvider()));
  afterAll(() => trace.disable());

  it('N13: is the documented environment, complete and with the values of the event', async () => {
    await using scripts = await startScripts(() => ({
      hooks: {
        'a.yaml': hook('exec', ['/bin/env', '-0']),
        'b.yaml': nlmon({ name: 'shell', script: 'env -0 && true' }),
      },
    }));
    const emittedMs = Date.now();
    await scripts.emit();
    const [summary] = await scripts.outcomes(2);
    const { event } = await scripts.thread.api<EventDetail>(`/v1/events/${summary?.id}`);
    for (const name of ['exec', 'shell']) {
      const [attempt] = await scripts.attempts(2, name);
      const { PWD, ...env } = variables(attempt?.output ?? '');
      expect(env).toEqual({
        PATH: '/usr/local/bin:/usr/bin:/bin',
        NLMON_TIMESTAMP: String(event.time),
        NLMON_SEQUENCE: '1',
        NLMON_EVENT_TYPE: '1',
        NLMON_MESSAGE_TYPE: '16',
        NLMON_INTERFACE: scripts.mark,
        TROTLINE_DELIVERY_ID: attempt?.deliveryId,
        TROTLINE_ATTEMPT: '1',
        TROTLINE_HOOK: `trotline/${name}`,
        TROTLINE_EVENT_ID: event.id,
        TROTLINE_EVENT_TYPE: 'netlink.link-changed',
        TRACEPARENT: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
      });
      // A shell sets it by itself.
      expect(PWD).toBe(name === 'shell' ? '/' : undefined);
      expect(Math.abs(Number(env['NLMON_TIMESTAMP']) - emittedMs)).toBeLessThan(1000);
      expect(env['TRACEPARENT']?.split('-')[1]).toBe(event.traceparent?.split('-')[1]);
    }
  });

  it('N15: is nothing of the environment of the sidecar', async () => {
    process.env['TROTLINE_TEST_SECRET'] = 'do not tell';
    try {
      await using scripts = await startScripts(() => ({
        hooks: { 'a.yaml': hook('exec', ['/bin/env']), 'b.yaml': nlmon({ name: 'shell', script: 'env; env' }) },
      }));
      await scripts.emit();
      for (const { output } of await scripts.attempts(2)) {
        expect(output).toContain('NLMON_SEQUENCE=1');
        expect(output).not.toMatch(/SECRET|do not tell|HOME|USER|LANG/);
      }
    } finally {
      delete process.env['TROTLINE_TEST_SECRET'];
    }
  });

  it('N37: is /dev/null, two pipes and no other descriptor', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': hook('exec', ['/bin/ls', '-l', '/proc/self/fd']) },
    }));
    await scripts.emit();
    const [attempt] = await scripts.attempts();
    const links = [...(attempt?.output ?? '').matchAll(/(\d+) -> (\w+|\/\S+)/g)].map(([, fd, target]) => [fd, target]);
    // The last one is the listing's own.
    expect(links).toEqual([
      ['0', '/dev/null'],
      ['1', 'pipe'],
      ['2', 'pipe'],
      ['3', expect.stringMatching(/^\/proc\/\d+\/fd$/)],
    ]);
  });

  it('is the event on stdin, and the directory and the limits of its config', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'read.sh': sh('cat; echo; pwd; ulimit -n') },
      hooks: {
        'a.yaml': hook('reads', [`${folder}/read.sh`], {
          config: `stdin: event, directory: ${folder}, limits: { openFiles: 33 }`,
        }),
      },
    }));
    await scripts.emit();
    const [attempt] = await scripts.attempts();
    const [json = '', ...others] = (attempt?.output ?? '').split('\n');
    expect(JSON.parse(json)).toMatchObject({ specversion: '1.0', data: { interface: scripts.mark } });
    expect(others).toEqual([scripts.folder, '33', '']);
  });

  it.runIf(root)('N36: is the configured user, by name or number, where the policy allows it', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'id.sh': sh('id -u; id -g; id -G') },
      policy: { users: ['nobody', '54321:54322'] },
      hooks: {
        'a.yaml': hook('name', [`${folder}/id.sh`], { config: 'user: nobody' }),
        'b.yaml': hook('number', [`${folder}/id.sh`], { config: 'user: "54321:54322"' }),
        'c.yaml': hook('refused', [`${folder}/id.sh`], { config: 'user: daemon' }),
      },
    }));
    await scripts.emit();
    expect(await scripts.attempts(3, 'name')).toMatchObject([
      { output: expect.stringMatching(/^65534\n(\d+)\n\1\n$/) },
    ]);
    expect(await scripts.attempts(3, 'number')).toMatchObject([{ output: '54321\n54322\n54322\n' }]);
    expect(await scripts.attempts(3, 'refused')).toMatchObject([
      { status: 'rejected', reason: "the node's policy refuses user daemon", output: '' },
    ]);
  });
});

describe('a hostile interface name', () => {
  const names = (file: string) => [
    `$(touch ${file})`,
    `\`touch ${file}\``,
    `a;touch ${file}`,
    `a\ntouch ${file}\n`,
    `x' || touch ${file} '`,
    '\u001b[2J\u001b]0;title\u0007',
    '${PATH} $HOME * {{interface}} %s',
  ];

  it('N16: arrives literally and is never executed, with and without a shell', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'print.sh': sh('printf "%s" "$NLMON_INTERFACE"') },
      hooks: {
        'a.yaml': hook('exec', [`${folder}/print.sh`]),
        'b.yaml': nlmon(
          { name: 'shell', script: 'printf "%s" "$NLMON_INTERFACE"' },
          { name: 'unquoted', script: 'echo $NLMON_INTERFACE' },
        ),
      },
    }));
    const hostile = names(join(scripts.folder, 'executed'));
    for (const name of hostile) await scripts.emit(1, { interface: name });
    const events = await scripts.outcomes(3 * hostile.length);
    for (const hookName of ['exec', 'shell']) {
      const outputs = events.map(
        ({ hooks }) => hooks.find((each) => each.hook.endsWith(hookName))?.attempts[0]?.output,
      );
      expect(new Set(outputs)).toEqual(new Set(hostile));
    }
    expect(existsSync(join(scripts.folder, 'executed'))).toBe(false);
  });

  it('with a NUL byte is one clear rejected reason, and the next event runs', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': hook('plain', ['/bin/true']) } }));
    await scripts.emit(1, { interface: 'veth\0x' });
    await scripts.emit(1, { interface: 'x'.repeat(200_000) });
    await scripts.emit(1);
    const attempts = await scripts.attempts(3);
    expect(attempts.map(({ status, reason }) => [status, reason])).toEqual([
      ['rejected', 'NLMON_INTERFACE holds a NUL byte, which no program can be given'],
      ['rejected', 'NLMON_INTERFACE is 200017 bytes, at most 131072 can be given to a program'],
      ['delivered', ''],
    ]);
  });
});

describe("a script of nlmon's shape", () => {
  const fixtures = fileURLToPath(new URL('../../fixtures/nlmon/', import.meta.url));
  const python = existsSync('/usr/bin/python3') || existsSync('/usr/local/bin/python3');
  if (!python) console.warn('script: alert.py is skipped, there is no python3 on the PATH of scripts');

  it.each(['alert.sh', 'alert.py'].filter((name) => python || name !== 'alert.py'))('runs: %s', async (name) => {
    await using scripts = await startScripts((folder) => ({
      hooks: { 'a.yaml': nlmon({ name: 'Sample', script: `${folder}/${name}`, timeout_ms: 5000 }) },
    }));
    await copyFile(join(fixtures, name), join(scripts.folder, name));
    await scripts.emit(1, { time: Date.UTC(2026, 0, 2, 3, 4, 5, 678), interface: 'veth0' });
    const [attempt] = await scripts.attempts();
    expect(attempt).toMatchObject({ status: 'delivered', detail: 'exit 0' });
    const [line, ...rest] = (attempt?.output ?? '').trim().split('\n');
    expect(line).toBe('[2026-01-02 03:04:05] alert on veth0: message 16, event 1, number 1');
    expect(rest.map((each) => each.split('=')[0])).toEqual([
      'NLMON_EVENT_TYPE',
      'NLMON_INTERFACE',
      'NLMON_MESSAGE_TYPE',
      'NLMON_SEQUENCE',
      'NLMON_TIMESTAMP',
      'TROTLINE_ATTEMPT',
      'TROTLINE_DELIVERY_ID',
      'TROTLINE_EVENT_ID',
      'TROTLINE_EVENT_TYPE',
      'TROTLINE_HOOK',
    ]);
  });
});

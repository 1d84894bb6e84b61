import { copyFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { trace } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { EventDetail } from '../../../control-plane/store/types.ts';
import { identityOf } from '../../../sidecar/program-user.ts';
import { hook, nlmon, sh, startScripts } from './kit.ts';

const root = process.getuid?.() === 0;
if (!root) console.warn('script: the tests of users (N36) are skipped, they need root');

/** What `env -0` printed. */
function variables(output: string): Record<string, string> {
  const lines = output.split('\0').filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** Of the first line. */
function numbersOf(output = ''): Set<number> {
  return new Set((output.split('\n')[0] ?? '').split(' ').map(Number));
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

  it.runIf(root)("N36: are the user's groups or the given one, never the sidecar's; any other is refused", async () => {
    const [own, ofSidecar] = [process.getgroups?.() ?? [], 54_399];
    process.setgroups?.([...own, ofSidecar]);
    try {
      const users = ['nobody', 'nobody:54322'];
      await using scripts = await startScripts((folder) => ({
        scripts: { 'id.sh': sh('id -G; grep -E "^(CapEff|CapPrm|CapAmb|NoNewPrivs)" /proc/self/status') },
        policy: { users },
        hooks: {
          'a.yaml': [...users, 'nobody:0']
            .map((user, index) => hook(`as-${index}`, [`${folder}/id.sh`], { config: `user: "${user}"` }))
            .join('---\n'),
        },
      }));
      await scripts.emit();
      const outputs = await Promise.all(
        [0, 1, 2].map(async (index) => (await scripts.attempts(3, `as-${index}`))[0] ?? { output: '', reason: '' }),
      );
      const { groups } = await identityOf('nobody');
      expect(numbersOf(outputs[0]?.output)).toEqual(new Set(groups));
      expect(numbersOf(outputs[1]?.output)).toEqual(new Set([54_322]));
      for (const { output } of outputs.slice(0, 2)) {
        expect(output).not.toContain(String(ofSidecar));
        expect(output).toMatch(/CapPrm:\s0+\nCapEff:\s0+\nCapAmb:\s0+\n/);
      }
      expect(outputs[2]).toMatchObject({ reason: "the node's policy refuses user nobody:0", output: '' });
    } finally {
      process.setgroups?.(own);
    }
  });

  it('are limits that each process of the tree keeps, and is ended by', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: {
        'limits.sh': sh('sh -c "ulimit -n; ulimit -v; ulimit -t; ulimit -f"'),
        'spin.sh': sh('while :; do :; done'),
        'write.sh': sh(`exec dd if=/dev/zero of=${folder}/large 2>/dev/null`),
      },
      hooks: {
        'a.yaml': [
          hook('limits', [`${folder}/limits.sh`], {
            config: 'limits: { openFiles: 33, memoryBytes: 8589934592, cpuSeconds: 7, fileBytes: 4096 }',
          }),
          hook('spins', [`${folder}/spin.sh`], { config: 'limits: { cpuSeconds: 1 }' }),
          hook('writes', [`${folder}/write.sh`], { config: 'limits: { fileBytes: 4096 }' }),
        ].join('---\n'),
      },
    }));
    await scripts.emit();
    expect(await scripts.attempts(3, 'limits')).toMatchObject([{ output: '33\n8388608\n7\n8\n' }]);
    expect(await scripts.attempts(3, 'spins')).toMatchObject([{ reason: 'killed by SIGXCPU' }]);
    expect(await scripts.attempts(3, 'writes')).toMatchObject([{ reason: 'killed by SIGXFSZ' }]);
    expect(await scripts.text('large')).toHaveLength(4096);
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

describe('the documented samples', () => {
  const fixtures = fileURLToPath(new URL('../../fixtures/nlmon/', import.meta.url));
  const present = (program: string) =>
    ['/usr/local/bin', '/usr/bin', '/bin'].some((at) => existsSync(`${at}/${program}`));
  const samples = [
    ['bash', 'alert.sh'],
    ['python3', 'alert.py'],
  ] as const;
  for (const [program, name] of samples) {
    if (!present(program)) console.warn(`N44: ${name} is skipped, there is no ${program} on the PATH of scripts`);
  }

  it.each(samples.filter(([program]) => present(program)))('N44: run as they are: %s', async (_, name) => {
    await using scripts = await startScripts((folder) => ({
      hooks: {
        'nlmon.yaml': `nlmon:
  integration:
    hooks:
      - name: "Sample"
        script: "${folder}/${name}"
        condition: "message_type IN [16, 17]"
        timeout_ms: 5000
        enabled: true
        async: false
`,
      },
    }));
    await copyFile(join(fixtures, name), join(scripts.folder, name));
    const before = localDay();
    await scripts.emit(1, { time: Date.now(), interface: 'veth0', messageType: 16 });
    await scripts.emit(1, { time: Date.now(), interface: 'veth0', messageType: 17 });
    await scripts.emit(1, { time: Date.now(), interface: 'veth0', messageType: 24 });
    const attempts = await scripts.attempts(2);
    const lines = attempts.map(({ output }) => output.split('\n')[0]);
    expect(attempts).toMatchObject([{ detail: 'exit 0' }, { detail: 'exit 0' }]);
    expect(lines.map((line) => line?.slice(22))).toEqual([
      'veth0 is new or changed (event 1, number 1)',
      'veth0 was removed (event 1, number 2)',
    ]);
    // It may have struck midnight meanwhile.
    for (const line of lines) expect([before, localDay()]).toContain(line?.slice(1, 11));
    for (const line of lines) expect(line?.slice(0, 22)).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] $/);
  });
});

/** Today in this machine's zone, which programs without `TZ` have too. */
function localDay(): string {
  const { year, month, day } = Object.fromEntries(
    new Intl.DateTimeFormat('en', { year: 'numeric', month: '2-digit', day: '2-digit' })
      .formatToParts(new Date())
      .map(({ type, value }) => [type, value]),
  );
  return `${year}-${month}-${day}`;
}

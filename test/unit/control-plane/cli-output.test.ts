/** What people and programs see of the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { ledgerRows } from '../../../control-plane/cli/ledger.ts';
import { LiveLines } from '../../../control-plane/cli/live-lines.ts';
import { eventLine } from '../../../control-plane/cli/event-text.ts';
import { coloured, cut, duration, renderData, safe, table, widthOf } from '../../../control-plane/cli/output.ts';
import { renderExplanation } from '../../../control-plane/cli/hooks-test.ts';
import { pathText } from '../../../control-plane/cli/errors.ts';
import { timeOption } from '../../../control-plane/cli/command.ts';
import { firstScreen } from '../../../control-plane/cli/up-screen.ts';
import { explainHook } from '../../../control-plane/explain.ts';
import type { HookOutcome } from '../../../control-plane/store/types.ts';
import { capture, type Ran, runIn } from './cli-kit.ts';
import { eventHook, readTexts, storedEvent } from './kit.ts';

let root: string;
const trotline = (...argv: readonly string[]): Promise<Ran> => runIn(root, argv);
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trotline-cli-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

function outcome(hook: string, over: Partial<HookOutcome> = {}): HookOutcome {
  const head = { hook: `trotline/${hook}`, outcome: 'delivered', reason: '', uncoordinated: false, timeMs: 1 } as const;
  return { ...head, attempts: [], waitsFor: '', nextAttemptMs: 0, ...over };
}

describe('text of events', () => {
  it('steers no terminal: control, escape and direction characters are shown as escapes', () => {
    expect(safe('a\u001b[2Jb\r\n\u0007')).toBe(String.raw`a\x1b[2Jb\x0d\x0a\x07`);
    expect(safe('\u202egnp.exe\u2066\u200b')).toBe(String.raw`\u{202e}gnp.exe\u{2066}\u{200b}`);
    expect(safe('veth0 – größe 網')).toBe('veth0 – größe 網');
  });

  it('is escaped in tables and live lines', () => {
    const hostile = storedEvent(1, {
      subject: 'a\u001b]0;x\u0007',
      hooks: [outcome('h', { outcome: 'rejected', reason: '\u001b[31mred' })],
    });
    const line = eventLine(hostile, hostile.hooks, capture(), 0);
    expect(line.slice(0, -1)).toBe(safe(line.slice(0, -1)));
    expect(line).toContain(String.raw`\x1b[31mred`);
    const cells = table([{ title: 'X', value: () => 'a\u001b[1mb' }], [0], capture());
    expect(cells).toBe(`X\na${String.raw`\x1b`}[1mb\n`);
  });
});

describe('tables', () => {
  const columns = [
    { title: 'NAME', value: (row: readonly [string, number]) => row[0], max: 8 },
    { title: 'N', value: (row: readonly [string, number]) => String(row[1]), align: 'right' as const },
    { title: 'MORE', value: () => 'x', wide: true as const },
  ];

  it('aligns columns, wide characters too', () => {
    expect(
      table(
        columns,
        [
          ['網路', 1],
          ['ab', 100],
        ],
        capture(),
      ),
    ).toBe('NAME     N\n網路     1\nab     100\n');
  });

  it('cuts long cells unless wide, and every line to the terminal', () => {
    expect(table(columns, [['abcdefghijkl', 1]], capture())).toBe('NAME       N\nabcdefg…   1\n');
    expect(table(columns, [['abcdefghijkl', 1]], capture(), true)).toContain('abcdefghijkl   1   x');
    const lines = table(columns, [['abcdefghijkl', 1]], capture({ width: 10 })).split('\n');
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(10);
  });

  it('colours without moving anything', () => {
    const painted = table(
      [{ title: 'A', value: () => 'x', colour: () => 'red' as const }],
      [0],
      capture({ paint: coloured }),
    );
    expect(painted).toBe('\u001b[2mA\u001b[22m\n\u001b[31mx\u001b[39m\n');
  });

  it('cuts by columns and shows durations short', () => {
    expect([cut('網路網路', 5), cut('abc', 3), cut('abcd', 3)]).toEqual(['網路…', 'abc', 'ab…']);
    expect([null, 0.42, 4, 12.6, 999.6, 61_000].map(duration)).toEqual([
      '-',
      '0.4 ms',
      '4 ms',
      '13 ms',
      '1.0 s',
      '1 min',
    ]);
  });
});

describe('live lines', () => {
  it('gathers an event into one line, and later prints only what is new of it', () => {
    const terminal = capture();
    const lines = new LiveLines({ terminal, json: false, now: () => 5000 });
    const attempt = {
      action: 0,
      actionType: 'script',
      number: 1,
      deliveryId: 'd',
      status: 'delivered',
      reason: '',
      detail: 'exit 0',
      output: 'hello is gone\n',
      timedOut: false,
      startedMs: 1,
      durationMs: 6,
    } as const;
    const done = outcome('veth-gone', { attempts: [attempt] });
    lines.add(storedEvent(1, { hooks: [outcome('link-log')] }));
    lines.add(
      storedEvent(1, {
        hooks: [
          done,
          outcome('notify', {
            outcome: 'pending',
            nextAttemptMs: 6200,
            attempts: [
              { ...attempt, status: 'retry', reason: 'endpoint not reached: connect ECONNREFUSED 127.0.0.1:9000' },
            ],
          }),
        ],
      }),
    );
    lines.flush();
    lines.add(storedEvent(1, { hooks: [done, outcome('notify', { outcome: 'expired', reason: 'after 15 min' })] }));
    lines.end();
    const [first, second] = terminal.stdout().trimEnd().split('\n');
    expect(first).toContain(
      'link-changed  veth3     veth-gone ✔ 6 ms "hello is gone"   notify … retry in 1.2 s: 127.0.0.1:9000 refused',
    );
    expect(second).toMatch(/veth3 {5}notify ✗ expired: after 15 min$/);
  });

  it('folds a storm into one line a type and second', () => {
    const terminal = capture();
    let now = 5000;
    const lines = new LiveLines({ terminal, json: false, now: () => now });
    for (let number = 0; number < 1224; number++)
      lines.add(storedEvent(number, { hooks: [outcome('a'), outcome('b')] }));
    lines.flush();
    now = 6000;
    lines.end();
    const printed = terminal.stdout().trimEnd().split('\n');
    expect(printed).toHaveLength(21);
    expect(printed.at(-1)?.trim()).toBe('link-changed ×1,204 in 1 s, 2 hooks, all ✔');
  });

  it('are JSON lines where there is no terminal', () => {
    const terminal = capture();
    const lines = new LiveLines({ terminal, json: true });
    lines.add(storedEvent(1, { hooks: [outcome('a')] }));
    lines.end();
    expect(JSON.parse(terminal.stdout())).toMatchObject({ id: 'netlink-life1-1', outcome: '1 delivered', node: 'n1' });
  });
});

describe('asking why', () => {
  it('prints each part with its mark and its reason', async () => {
    const spec = `  eventTypes: [link-deleted]\n  condition: "interface =~ 'veth.*' AND message_type == 17"\n  limit: { count: 30, per: 1m }`;
    const hook = readTexts({ 'a.yaml': eventHook('veth-gone', spec) }).hooks[0]!;
    const text = renderExplanation(await explainHook(hook, storedEvent(1).event), capture());
    expect(text).toMatch(/^veth-gone: would NOT run for link-changed veth3 \(/);
    expect(text).toMatch(/eventTypes +link-deleted +✗ {2}the event is link-changed\n/);
    expect(text).toMatch(/└─ interface =~ 'veth\.\*' +✔ {2}interface is 'veth3'\n/);
    expect(text).toMatch(/└─ message_type == 17 +✗ {2}message_type is 16\n/);
    expect(text).toContain('script /bin/true, at most 30 per 1m on a node, no deduplication');
  });

  it('says of cel what the event has, and why it ended without an answer', async () => {
    const lines = async (cel: string) => {
      const hook = readTexts({ 'a.yaml': eventHook('a', `  cel: ${cel}`) }).hooks[0]!;
      return renderExplanation(await explainHook(hook, storedEvent(1).event), capture());
    };
    expect(await lines('event.interface == "veth3"')).toMatch(/cel +event\.interface == "veth3" +✔\n/);
    expect(await lines('event.interface == "lo"')).toMatch(
      /cel +event\.interface == "lo" +✗ {2}interface is 'veth3'\n/,
    );
    expect(await lines('event.message_type / 0 == 1')).toMatch(/would NOT run[^]+cel .+✗ {2}division by zero\n/);
  });
});

describe('data for programs', () => {
  it('controls no terminal, and reads back as it was', () => {
    const data = { 'k\u009bey': 'x\u009b31m\u202e\u007f\u0085', plain: 'é', flag: '\u{e0001}' };
    const [json, yaml] = [renderData(data, 'json'), renderData(data, 'yaml')];
    for (const text of [json, yaml]) expect(text).not.toMatch(/[\u007f-\u009f\p{Cf}]/u);
    expect(JSON.parse(json)).toEqual(data);
    expect(parse(yaml)).toEqual(data);
  });
});

describe('errors of the command line', () => {
  it('point at the right place of a line of any length', async () => {
    const file = join(root, 'long.yaml');
    const condition = `${'message_type == 2 OR '.repeat(100)}interfce == 'a' ${'OR message_type == 1 '.repeat(50)}`;
    await writeFile(file, eventHook('h', `  condition: "${condition}"`));
    const { stderr } = await trotline('hooks', 'validate', file);
    expect(stderr).toContain('long.yaml:6:2115');
    const [line = '', mark = ''] = stderr.split('\n').filter((shown) => shown.includes(' │'));
    expect(line.slice(mark.indexOf('^'), mark.lastIndexOf('^') + 1)).toBe('interfce');
  });

  it('point at file, line and column, with a caret, what was expected and the nearest name', async () => {
    const file = join(root, 'net.yaml');
    await writeFile(file, eventHook('veth-gone', `  condition: "interfce =~ 'veth.*'"\n  giveUpAfter: 5 sec`));
    const { code, stdout, stderr } = await trotline('hooks', 'validate', file);
    expect(code).toBe(2);
    expect(stdout).toBe('0 hooks valid, 1 refused\n');
    expect(stderr).toContain('error: hook "veth-gone" refused (2 problems)');
    expect(stderr).toMatch(/net\.yaml:6:15 {2}condition: /);
    expect(stderr).toContain(`     6 │   condition: "interfce =~ 'veth.*'"\n       │               ^^^^^^^^`);
    expect(stderr).toContain('(all: trotline fields)');
    expect(stderr).toMatch(/net\.yaml:7:16 {2}giveUpAfter: "5 sec" is no duration/);
  });

  it.each(['netlink.diag.uid', 'netlink.ct.mark', 'netlink.nl80211.freq', 'netlink.qca.subcmd'])(
    'are none for %s, which nobody hears: every form of a hook is valid, with a warning at the place',
    async (field) => {
      const file = join(root, 'net.yaml');
      const condition = `condition: "interface == 'a' OR ${field} == 1"`;
      const nlmon = `nlmon:\n  integration:\n    hooks:\n      - { name: h, script: /bin/true, ${condition} }\n`;
      for (const [text, place] of [
        [eventHook('h', `  ${condition}`), '6:35'],
        [nlmon, '4:71'],
      ] as const) {
        await writeFile(file, text);
        const { code, stdout, stderr } = await trotline('hooks', 'validate', file);
        expect([code, stdout]).toEqual([0, '1 hook valid: h\n']);
        expect(stderr).toContain(`net.yaml:${place} `);
        expect(stderr).toContain(`no source sets ${field}: it is always absent`);
      }
    },
  );

  it('are data with -o json', async () => {
    const file = join(root, 'net.yaml');
    await writeFile(file, eventHook('x', '  typo: 1'));
    const { code, stdout } = await trotline('hooks', 'validate', file, '-o', 'json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject([
      { hook: 'trotline/x', valid: false, code: 'CONFIG_INVALID', path: '/spec/typo', line: 6 },
    ]);
  });

  it('name the nearest command and flag, and exit with 2', async () => {
    const usage = async (...argv: string[]): Promise<string> => {
      const { code, stdout, stderr } = await trotline(...argv);
      expect([code, stdout]).toEqual([2, '']);
      return stderr;
    };
    expect(await usage('hoks')).toBe('error: unknown command "hoks"; did you mean "hooks"?\n');
    expect(await usage('hooks', 'lst')).toBe('error: unknown command "lst"; did you mean "list"?\n');
    expect(await usage('events', 'list', '--sinc', '1m')).toBe(
      'error: unknown option "--sinc"; did you mean "--since"?\n',
    );
    expect(await usage('hooks', 'show')).toBe('error: missing required argument "hook"\n');
    expect(await usage('hooks', 'list', '-o', 'jsn')).toContain('"jsn" is invalid; expected one of table, wide');
    expect(await usage('hooks', 'validate', join(root, 'none.yaml'))).toContain('cannot read');
    expect(await usage('hooks', 'validate', root)).toContain('holds no hook files, expected *.yaml, *.yml or *.json');
    const { stdout } = await trotline('hooks', 'lst', '-o', 'json');
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', message: 'unknown command "lst"; did you mean "list"?' },
    });
    expect((await trotline('fields', 'netlnk')).stderr).toContain('did you mean "netlink"?');
  });

  it('say in one line that no control plane runs, and how to start one; exit code 1', async () => {
    const { code, stderr } = await trotline('hooks', 'list');
    expect(code).toBe(1);
    expect(stderr).toContain(
      `no control plane runs with the data folder ${join(root, 'data')}; start one with: trotline up`,
    );
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse((await trotline('sidecars', '-o', 'json')).stdout)).toMatchObject({
      error: { code: 'PEER_UNAVAILABLE' },
    });
  });

  it('shows pointers as people write paths', () => {
    expect(pathText('/spec/actions/0/config/timeout')).toBe('actions[0].config.timeout');
    expect(pathText('/a~1b/c')).toBe('a/b.c');
  });
});

describe('help', () => {
  const commands = [
    [],
    ['up'],
    ['hooks'],
    ...['list', 'show', 'validate', 'test', 'enable', 'disable', 'follow-file', 'stats'].map((name) => ['hooks', name]),
    ['events'],
    ...['list', 'tail', 'show'].map((name) => ['events', name]),
    ['sidecars'],
    ['ledger'],
    ['fields'],
  ];

  it.each(commands.map((words) => [words.join(' ') || 'trotline', words] as const))(
    'of %s fits a screen and ends with two examples',
    async (_name, words) => {
      const { code, stdout } = await trotline(...words, '--help');
      expect(code).toBe(0);
      const lines = stdout.trimEnd().split('\n');
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(lines.at(-3)).toBe('Examples:');
      expect(lines.slice(-2).every((line) => line.startsWith('  trotline '))).toBe(true);
    },
  );
});

describe('other texts', () => {
  it('lists the fields of a source', async () => {
    const { stdout } = await trotline('fields', 'netlink', '-o', 'json');
    const fields: { field: string }[] = JSON.parse(stdout);
    expect(fields[0]).toEqual({ field: 'interface', type: 'string', setBy: 'any' });
    expect(fields.some(({ field }) => field === 'netlink.link.mtu')).toBe(true);
    expect(fields.some(({ field }) => field.startsWith('netlink.ct'))).toBe(false);
  });

  it('reads times as a duration ago or as ISO', () => {
    expect(timeOption('10m', '--since', 1_000_000)).toBe(400_000);
    expect(timeOption('1970-01-01T00:00:01Z', '--since')).toBe(1000);
    expect(() => timeOption('yesterday', '--since')).toThrow('expected like 10m');
  });

  it('says whether the ledger is balanced and stored', () => {
    const source = {
      source: 'netlink',
      life: 'l',
      heard: 5,
      unmatched: 1,
      routed: 3,
      lost: { overflow: 1 },
      unknown: null,
    };
    const hook = { hook: 'trotline/h', routed: 3, pending: 1, outcomes: { delivered: 1, 'dropped(journal-full)': 1 } };
    const ledger = { sources: [source], hooks: [hook], outcomeSequence: 2, health: [] };
    const head = { sidecarId: 's', node: 'n', ledger, updatedMs: 1 };
    const stored = { 'trotline/h': { 'dropped(journal-full)': 1, delivered: 1 } };
    expect(ledgerRows([{ ...head, missingUntil: 0, storedSequence: 2, stored }])).toMatchObject([
      { name: 'netlink', lost: 1, balanced: true },
      { name: 'h', pending: 1, balanced: true, stored: true },
    ]);
    expect(ledgerRows([{ ...head, missingUntil: 0, storedSequence: 1, stored: {} }])[1]).toMatchObject({
      balanced: true,
      stored: false,
    });
  });

  it('shows first what is heard and what not, and what to try', () => {
    const identity = { sidecarId: 's', node: 'n', version: '1', plugins: [], heldVersion: 'v', refusedVersion: '' };
    const state = { connected: true, sinceMs: 1, lastSeenMs: 1, state: 'applied', reason: '', hooks: [] } as const;
    const source = {
      source: 'netlink',
      status: 'degraded',
      reason: 'receive buffer is 1 byte (needs CAP_NET_ADMIN): bursts may be lost',
      hears: 'link, addr in this network namespace',
    } as const;
    const sidecar = { ...identity, ...state, upToDate: true, sources: [source] };
    const hooks = { version: 'v', problem: null, hooks: [], refused: [], warnings: [] };
    const screen = {
      version: '0.1.0',
      node: 'lap1',
      data: '/d',
      hooksDirectory: 'hooks',
      dataArgument: '',
      address: 'http://127.0.0.1:1',
      hooks,
    };
    const text = firstScreen({ ...screen, sidecar }, capture());
    expect(text).toContain('trotline 0.1.0 · node lap1 · data /d');
    expect(text).toMatch(/hears +netlink +link, addr in this network namespace\n +limited +receive buffer is 1 byte/);
    expect(text).toMatch(/try +sudo ip link add hello/);
    expect(text.trimEnd().split('\n').length).toBeLessThan(24);
    expect(firstScreen({ ...screen, sidecar: null }, capture())).toContain('nothing yet');
  });
});

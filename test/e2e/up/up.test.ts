/** `trotline up` from the first start to the last Ctrl-C, each story in a network namespace of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';

import { widthOf } from '../../../control-plane/cli/output.ts';
import { inNetns, netnsMissing } from '../../kit/netns.ts';
import { type ListedEvent, SECRET } from '../kit.ts';
import type { Received } from '../receiver.ts';

const SCENARIOS = fileURLToPath(new URL('./scenarios.ts', import.meta.url));
const missing = netnsMissing();
const noTerminal = spawnSync('script', ['--version']).status === 0 ? null : 'script of util-linux is not here';
const notRoot = process.getuid?.() === 0 ? null : 'changing the user needs root';

interface End {
  readonly exit: number | string | null;
  readonly seconds: number;
}
/** Of a drain with nothing slow in it, on a loaded machine. */
const SOON = 10;

async function scenario<T>(name: string): Promise<T> {
  const { lines, stderr } = await inNetns<T>(SCENARIOS, [name], { timeoutMs: 110_000, ownProcesses: true });
  const [result] = lines;
  if (!result) throw new Error(`the scenario said nothing: ${stderr}`);
  return result;
}

/** What the tests of this file need, else why they are left out. */
function story(title: string, test: () => Promise<void>, ...needs: readonly (string | null)[]): void {
  const lacking = [missing, ...needs].find((need) => need !== null);
  it.skipIf(lacking !== undefined)(lacking === undefined ? title : `${title} (skipped: ${lacking})`, test);
}

describe('trotline up', () => {
  story('answers the commands that it prints, and tells of it everywhere', async () => {
    const run = await scenario<{
      commands: string[];
      stdout: string;
      stderr: string;
      events: ListedEvent[];
      stats: { hook: string; successes: number; failures: number }[];
      ledger: Record<string, unknown>[];
      logged: string;
      requests: Received[];
      end: End;
      gone: boolean;
    }>('firstTry');
    expect(run.commands).toEqual(['ip link add hello type veth peer name hello2', 'ip link del hello']);
    const heard = run.events.map(({ type, subject }) => `${type} ${subject}`).sort();
    const expected = ['netlink.link-added', 'netlink.link-deleted'].flatMap((type) => [
      `${type} hello`,
      `${type} hello2`,
    ]);
    expect(heard).toEqual(expected);
    expect(run.logged.match(/\tnetlink\.link-(added|deleted)\thello2?\n/g)).toHaveLength(4);

    // No terminal: one JSON line or more for each event, nothing else.
    const lines = run.stdout
      .trim()
      .split('\n')
      .map((line): ListedEvent => JSON.parse(line));
    expect(new Set(lines.map(({ id }) => id))).toEqual(new Set(run.events.map(({ id }) => id)));

    expect(Object.fromEntries(run.stats.map((row) => [row.hook, [row.successes, row.failures]]))).toMatchObject({
      'trotline/link-log': [4, 0],
      'trotline/veth-gone': [2, 0],
    });
    expect(run.ledger.length).toBeGreaterThanOrEqual(4);
    for (const row of run.ledger) expect(row).toMatchObject({ node: 'lap1', balanced: true });
    expect(run.end.exit).toBe(0);
    expect(run.end.seconds).toBeLessThan(SOON);
    expect(run.stderr).toMatch(/draining: [^]*stopped in [\d.]+ s/);
    expect(run.gone).toBe(true);

    const webhook = new Webhook(SECRET);
    expect(run.requests).toHaveLength(4);
    for (const { headers, body } of run.requests) {
      const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
      const event: unknown = webhook.verify(body, signed);
      expect(event).toMatchObject({ specversion: '1.0', type: expect.stringMatching(/link-(added|deleted)$/) });
      expect(headers['content-type']).toMatch(/^application\/cloudevents\+json/);
    }
  });

  story('drains what runs when the signal is for it alone, and takes its echo for the same Ctrl-C', async () => {
    const run = await scenario<{ draining: boolean; end: End; stderr: string }>('interruptedAlone');
    expect(run.draining).toBe(true);
    expect(run.end.exit).toBe(0);
    expect(run.end.seconds).toBeLessThan(SOON);
    expect(run.stderr).toMatch(/draining: [^]*stopped in [\d.]+ s/);
  });

  story('goes on after a second start where the first stopped, under the same delivery ids', async () => {
    const run = await scenario<{ refused: string[]; delivered: string[]; stopped: End & { stderr: string }; end: End }>(
      'secondStart',
    );
    expect(run.stopped.exit).toBe(0);
    expect(run.stopped.seconds).toBeLessThan(SOON);
    expect(run.stopped.stderr).toMatch(/stopped in .*; \d+ hook runs? pending, kept for the next start/);
    expect(new Set(run.delivered).size).toBe(2);
    expect(new Set(run.delivered)).toEqual(new Set(run.refused));
    expect(run.end.exit).toBe(0);
  });

  story('leaves at once on a second Ctrl-C, with everything that it started', async () => {
    const run = await scenario<{ end: End; gone: boolean; stderr: string }>('secondCtrlC');
    expect(run.end.exit).toBe(0);
    expect(run.end.seconds).toBeLessThan(3);
    expect(run.gone).toBe(true);
    expect(run.stderr).toMatch(/waiting for the sidecar[^]*left after .*kept for the next start/);
  });

  story('takes both processes and their scripts with it when it is killed', async () => {
    expect(await scenario('killed')).toEqual({ children: 2, gone: true });
  });

  story('says so and fails when the sidecar is killed, and leaves nothing behind', async () => {
    const run = await scenario<{ end: End; gone: boolean; stderr: string }>('sidecarKilled');
    expect(run.end.exit).toBe(1);
    expect(run.stderr).toMatch(/error: the sidecar ended unexpectedly \(signal SIGKILL\).*its log is in /);
    expect(run.gone).toBe(true);
  });

  story(
    'shows a first screen of 80×24 in a terminal, and no name of a link controls it',
    async () => {
      const { screen, output, end } = await scenario<{ screen: string; output: string; end: End }>('terminal');
      expect(screen.trimEnd().split('\r\n').length).toBeLessThan(22);
      // A command is one line whatever its length, so that it can be pasted.
      for (const line of screen.split('\r\n').filter((text) => !text.includes('npx ')))
        expect(widthOf(withoutColour(line))).toBeLessThanOrEqual(80);
      expect(screen).toContain('ip link add hello type veth peer name hello2');
      expect(output).toMatch(/link-added .*✔/);
      expect(output).toContain(String.raw`\x1b[31m\u{202e}red\x9b`);
      expect(withoutColour(output)).not.toMatch(STEERING);
      expect(output).toMatch(/draining: [^]*stopped in /);
      expect(end.exit).toBe(0);
    },
    noTerminal,
  );

  story(
    'uses no colour with NO_COLOR',
    async () => {
      const { output } = await scenario<{ output: string }>('terminalWithoutColour');
      expect(output).toMatch(/link-added .*✔/);
      expect(output).not.toContain('\u001b');
    },
    noTerminal,
  );

  story(
    'hears what its sources file says, and refuses a wrong one with place, value and what was expected',
    async () => {
      const run = await scenario<{ wrong: string; stderr: string; heard: number; end: End }>('sourcesFile');
      expect(run.wrong).toMatch(
        /sources\.yaml: line 3, column 25: \/sources\/netlink\/families\/0 must be one of .*; did you mean "addr"\?/,
      );
      expect(run.stderr).toMatch(/hears +netlink +addr in this network namespace\n/);
      expect(run.heard).toBe(1);
      expect(run.end.exit).toBe(0);
    },
  );

  story(
    'works for an ordinary user, and says what it cannot hear',
    async () => {
      const run = await scenario<{ stderr: string; events: ListedEvent[]; end: End; requests: number }>('ordinaryUser');
      expect(run.stderr).toMatch(
        /hears +netlink +link, addr, route, neigh, rule in this network namespace\n[^]*limited +only the sidecar's own network/,
      );
      expect(run.events).toHaveLength(4);
      expect(run.requests).toBe(4);
      expect(run.end.exit).toBe(0);
    },
    notRoot,
  );
});

const COLOUR = new RegExp(String.raw`\u001b\[(?:1|2|22|31|32|33|36|39)m`, 'g');
const STEERING = new RegExp(String.raw`[\u001b\u009b\u202a-\u202e\u2066-\u2069]`);

/** Without the colours that we use ourselves; in data, they are as bad as any other control. */
function withoutColour(text: string): string {
  return text.replaceAll(COLOUR, '');
}

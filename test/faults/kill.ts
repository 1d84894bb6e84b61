/** The kill test: either process dies at random points under load, and afterwards every promise of design section 6 holds. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'vitest';

import { dataFiles } from '#control-plane';

import type { EventSummary, NodeLedger } from '../../control-plane/store/types.ts';
import { eventually } from '../kit/eventually.ts';
import { Killable } from '../kit/kill/processes.ts';
import { hookYaml } from '../kit/thread.ts';

const CONTROL_PLANE = fileURLToPath(new URL('../../control-plane/main.ts', import.meta.url));
const SIDECAR = fileURLToPath(new URL('../kit/kill/sidecar-main.ts', import.meta.url));

export interface KillOptions {
  /** How often something is killed. */
  readonly points: number;
  readonly onInterrupt: 'repeat' | 'giveUp';
  /** Of the hook's dedup; each event has a key of its own, so that nothing may be suppressed. */
  readonly scope: 'cluster' | 'node' | 'none';
  /** At how many of the points both die together, as a share; else one of them. */
  readonly together?: number;
}

/** A run that interrupted no attempt proves nothing: so many more points are tried. */
const MORE_POINTS = 20;

/** A number in [0, 1) that the seed decides, so that a failure can be had again. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export async function killTest(
  { points, onInterrupt, scope, together = 0 }: KillOptions,
  seed: number,
): Promise<{ numbers: number; interrupted: number }> {
  const random = randomOf(seed);
  const folder = await mkdtemp(join(tmpdir(), 'trotline-kill-'));
  const files = dataFiles(folder);
  const hooks = join(folder, 'hooks');
  await mkdir(hooks);
  const dedup =
    scope === 'none' ? '' : `dedup: { key: [interface], window: 10m, scope: ${scope} }, whenUncoordinated: wait, `;
  await writeFile(join(hooks, 'a.yaml'), hookYaml('counted', { spec: `${dedup}onInterrupt: ${onInterrupt}` }));
  try {
    await using controlPlane = new Killable(
      CONTROL_PLANE,
      ['--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0'],
      /control plane started/,
    );
    await using sidecar = new Killable(SIDECAR, [files.sidecar, folder, `unix:${files.socket}`], /running/);
    await controlPlane.start();
    await sidecar.start();
    for (let point = 0; point < points || (point < points + MORE_POINTS && !(await anyInterrupted(folder))); point++) {
      const both = random() < together;
      const victims = both ? [controlPlane, sidecar] : [random() < 0.7 ? sidecar : controlPlane];
      await new Promise((resolve) => setTimeout(resolve, 50 + random() * 500));
      await Promise.all(victims.map((victim) => victim.kill()));
      for (const victim of victims) await victim.start();
    }
    sidecar.signal('SIGUSR2');
    await settledLedger(folder);
    return await checkEffects(folder, onInterrupt);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function anyInterrupted(folder: string): Promise<boolean> {
  const events = await allEvents(folder);
  return events.some(({ hooks }) => hooks[0]?.attempts.some(({ status }) => status === 'interrupted'));
}

/** Waits until nothing is pending and everything is stored, then checks that the ledger balances. */
export async function settledLedger(folder: string): Promise<NodeLedger> {
  const [node] = await eventually(
    async () => {
      const ledger = await api<NodeLedger[]>(folder, '/v1/ledger');
      const [hook] = ledger[0]?.ledger.hooks ?? [];
      expect(hook?.pending).toBe(0);
      expect(ledger[0]?.storedSequence).toBe(ledger[0]?.ledger.outcomeSequence);
      return ledger;
    },
    { timeoutMs: 90_000, intervalMs: 200 },
  );
  if (!node) throw new Error('no sidecar is known');
  const [hook] = node.ledger.hooks;
  const outcomes = hook?.outcomes ?? {};
  const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  expect(hook?.routed).toBe(total);
  expect(node.stored['trotline/counted']).toEqual(outcomes);
  for (const { heard, unmatched, routed, lost } of node.ledger.sources) {
    expect(heard).toBe(unmatched + routed + Object.values(lost).reduce((sum, count) => sum + count, 0));
  }
  return node;
}

/** What was journaled was acted on; what was acted on twice belongs to an interrupted attempt. */
async function checkEffects(
  folder: string,
  onInterrupt: KillOptions['onInterrupt'],
): Promise<{ numbers: number; interrupted: number }> {
  const journaled = (await lines(join(folder, 'journaled'))).map(Number);
  const acted = new Map<string, { number: number; delivery: string }[]>();
  for (const line of await lines(join(folder, 'acted'))) {
    const [event = '', , number = '', delivery = ''] = line.split(' ');
    acted.set(event, [...(acted.get(event) ?? []), { number: Number(number), delivery }]);
  }
  const history = new Map((await allEvents(folder)).map((event) => [event.subject, event]));
  let interrupted = 0;
  for (const number of journaled) {
    const event = history.get(`number${number}`);
    const attempts = event?.hooks[0]?.attempts ?? [];
    const cut = attempts.filter(({ status }) => status === 'interrupted').length;
    const acts = acted.get(event?.id ?? '') ?? [];
    interrupted += cut;
    expect(event, `number ${number} is in the history`).toBeDefined();
    if (onInterrupt === 'repeat') expect(acts.length, `number ${number} was acted on`).toBeGreaterThanOrEqual(1);
    expect(acts.length, `every repeat of number ${number} belongs to an interrupted attempt`).toBeLessThanOrEqual(
      onInterrupt === 'giveUp' ? 1 : 1 + cut,
    );
    expect(new Set(acts.map(({ delivery }) => delivery)).size).toBeLessThanOrEqual(1);
  }
  return { numbers: journaled.length, interrupted };
}

export async function allEvents(folder: string): Promise<EventSummary[]> {
  const all = new Map<string, EventSummary>();
  for (let until = Date.now() + 60_000; ;) {
    const page = await api<EventSummary[]>(folder, `/v1/events?limit=10000&untilMs=${until}`);
    const before = all.size;
    for (const event of page) all.set(event.id, event);
    const oldest = page.at(-1)?.timeMs;
    if (oldest === undefined || all.size === before) return [...all.values()];
    // The end is not in the range: others of the same millisecond may have had no room on this page.
    until = oldest + 1;
  }
}

/** JSON of the HTTP API of the control plane whose data is in `folder`. */
export async function api<T>(folder: string, path: string): Promise<T> {
  const files = dataFiles(folder);
  const { address } = JSON.parse(await readFile(files.apiAddress, 'utf8')) as { address: string };
  const authorization = `Bearer ${(await readFile(files.token, 'utf8')).trim()}`;
  const response = await fetch(`${address}${path}`, { headers: { authorization } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

async function lines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  return text.split('\n').filter((line) => line !== '');
}

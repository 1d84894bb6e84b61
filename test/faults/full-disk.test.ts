import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import type { NodeLedger } from '../../control-plane/store/types.ts';
import { inNetns, netnsMissing } from '../kit/netns.ts';

const SCENARIO = fileURLToPath(new URL('./full-disk-scenario.ts', import.meta.url));

interface Told {
  /** Events that were emitted, and how often the action ran: in all, and until there was room again. */
  readonly number: number;
  readonly acts: number;
  readonly during: number;
  readonly failing: string | null;
  readonly storedDuring: number;
  /** Subjects of the events that tell a loss. */
  readonly losses: readonly string[];
  readonly ledger: NodeLedger['ledger'];
  readonly stored: NodeLedger['stored'];
}

const missing = netnsMissing();
if (missing !== null && process.env.CI === 'true') throw new Error(missing);
if (missing !== null) console.log(`skipped: a full disk: ${missing}`);

async function scenario(whose: 'sidecar' | 'control-plane'): Promise<Told> {
  const { lines, stderr, exitCode } = await inNetns<Told>(SCENARIO, [whose], { timeoutMs: 90_000 });
  expect({ exitCode, lines: lines.length }, stderr).toEqual({ exitCode: 0, lines: 1 });
  return lines[0]!;
}

describe.skipIf(missing !== null)('a full disk', () => {
  it('of the sidecar loses what comes then as journal-failing, counted, and nothing that it took', async () => {
    const { number, acts, during, failing, losses, ledger, stored } = await scenario('sidecar');
    expect(failing).toContain('ENOSPC');
    // Nothing is acted on that is not durable.
    expect(during).toBe(100);
    const life = ledger.sources.find(({ source }) => source === 'numbered');
    expect(life).toMatchObject({ heard: number, lost: { 'journal-failing': 100 }, routed: 300, unmatched: 0 });
    // The loss is an event itself, with its count.
    expect(losses).toEqual(['100 events lost']);
    expect(acts).toBe(301);
    expect(ledger.hooks).toMatchObject([{ routed: 301, pending: 0, outcomes: { delivered: 301 } }]);
    expect(stored['trotline/all']).toEqual({ delivered: 301 });
  });

  it('of the control plane stops nothing: reports wait on the node until they can be stored', async () => {
    const { number, acts, during, failing, storedDuring, ledger, stored } = await scenario('control-plane');
    expect(failing).toBeNull();
    expect(during).toBeGreaterThan(100);
    expect(storedDuring).toBeLessThan(300);
    expect([number, acts]).toEqual([400, 400]);
    expect(ledger.sources).toMatchObject([{ heard: 400, lost: {}, routed: 400 }]);
    expect(stored['trotline/all']).toEqual({ delivered: 400 });
  });
});

import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import type { HookOutcome } from '../../control-plane/store/types.ts';
import { inNetns, netnsMissing } from '../kit/netns.ts';

const SCENARIO = fileURLToPath(new URL('./links-scenario.ts', import.meta.url));
const POINTS = Number(process.env.KILL_POINTS ?? 10);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 100_000);

interface Told {
  readonly killed: Readonly<Record<'sidecar' | 'controlPlane' | 'spawner', number>>;
  readonly outcomes: readonly HookOutcome[];
  /** `delivery attempt start|end|late` in the order they were written. */
  readonly lines: readonly string[];
}

const missing = netnsMissing();
if (missing !== null && process.env.CI === 'true') throw new Error(missing);
if (missing !== null) console.log(`skipped: killed with links and scripts: ${missing}`);

describe.skipIf(missing !== null)(
  `killed at ${POINTS} random points with links and scripts (KILL_SEED=${SEED})`,
  () => {
    it('loses nothing that was routed, and no old script runs beside its repeat', async () => {
      const timeoutMs = 60_000 + POINTS * 5000;
      const { lines, stderr, exitCode } = await inNetns<Told>(SCENARIO, [String(POINTS), String(SEED)], {
        timeoutMs,
        ownProcesses: true,
      });
      const [told] = lines;
      expect(exitCode, stderr).toBe(0);
      if (!told) throw new Error(`the scenario said nothing: ${stderr}`);
      expect(told.outcomes.length).toBeGreaterThan(50);

      const notes = Map.groupBy(told.lines, (line) => line.split(' ')[0] ?? '');
      for (const { attempts, outcome } of told.outcomes) {
        const delivery = attempts[0]?.deliveryId ?? '';
        const own = notes.get(delivery) ?? [];
        const steps = own.map((line) => line.slice(delivery.length + 1));
        const numbers = steps.map((step) => Number(step.split(' ')[0]));
        expect(numbers, `attempts of ${delivery} follow one another`).toEqual(numbers.toSorted((a, b) => a - b));
        const cut = attempts.filter(({ status }) => status === 'interrupted').length;
        expect(steps.filter((step) => step.endsWith('start')).length).toBeLessThanOrEqual(1 + cut);
        for (const { number, status } of attempts) {
          // On a slow machine the leftover may write while its script still runs; after the end nothing may.
          const last = steps.findLast((step) => step.startsWith(`${number} `));
          if (status !== 'interrupted') expect(last, 'nothing outlives its script').toBe(`${number} end`);
        }
        if (outcome === 'delivered') expect(steps).toContain(`${attempts.at(-1)?.number} end`);
      }
      console.log(`${told.outcomes.length} events; killed ${JSON.stringify(told.killed)}`);
    });
  },
);

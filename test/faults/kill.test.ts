import { describe, expect, it } from 'vitest';

import { killTest } from './kill.ts';

/** `npm run test:kill` asks for more points. */
const POINTS = Number(process.env.KILL_POINTS ?? 10);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 100_000);

describe(`killed at ${POINTS} random points under load (KILL_SEED=${SEED})`, () => {
  it('loses nothing and repeats only interrupted attempts, with claims of the cluster', async () => {
    const { numbers, interrupted } = await killTest({ points: POINTS, onInterrupt: 'repeat', scope: 'cluster' }, SEED);
    expect(numbers).toBeGreaterThan(100);
    console.log(`${numbers} events, ${interrupted} attempts interrupted`);
  });

  it('never acts twice where the hook gives up after an interruption', async () => {
    const { numbers, interrupted } = await killTest({ points: POINTS, onInterrupt: 'giveUp', scope: 'node' }, SEED + 1);
    expect(numbers).toBeGreaterThan(100);
    console.log(`${numbers} events, ${interrupted} attempts interrupted`);
  });
});

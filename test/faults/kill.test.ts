import { describe, expect, it } from 'vitest';

import { type KillOptions, killTest } from './kill.ts';

/** `npm run test:kill` asks for more points. */
const POINTS = Number(process.env.KILL_POINTS ?? 10);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 100_000);

const CASES: readonly (KillOptions & { readonly title: string })[] = [
  {
    title: 'loses nothing and repeats only interrupted attempts, with claims of the cluster',
    points: POINTS,
    onInterrupt: 'repeat',
    scope: 'cluster',
  },
  {
    title: 'never acts twice where the hook gives up after an interruption',
    points: POINTS,
    onInterrupt: 'giveUp',
    scope: 'node',
  },
  {
    title: 'keeps both promises where both processes die together',
    points: POINTS,
    onInterrupt: 'repeat',
    scope: 'cluster',
    together: 0.5,
  },
];

describe(`killed at ${POINTS} random points under load (KILL_SEED=${SEED})`, () => {
  it.each(CASES)('$title', async (options) => {
    const { numbers, interrupted } = await killTest(options, SEED + CASES.indexOf(options));
    expect(numbers).toBeGreaterThan(100);
    expect(interrupted).toBeGreaterThan(0);
    console.log(`${numbers} events, ${interrupted} attempts interrupted`);
  });
});

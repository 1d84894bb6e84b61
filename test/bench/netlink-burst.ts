/** Whether a burst of link changes passes without loss, and how fast it comes to the router (design 11, `netlink-burst`). */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { inNetns, netnsMissing } from '../kit/netns.ts';

const CHILD = fileURLToPath(new URL('netlink-burst-child.ts', import.meta.url));
const RUNS = 5;

interface Burst {
  /** Produced and not heard. */
  readonly lost: number;
  /** Said to be lost. */
  readonly reported: number;
  /** How many times a resync ended. */
  readonly resynced: number;
  readonly perSecond: number;
  readonly producedPerSecond: number;
  readonly peerLost?: number;
}

/** Takes about 45 seconds. `lost` is the worst of all runs, alone and beside the peer. */
export async function run(): Promise<{
  metrics: Record<string, number>;
  runs: number;
  spread: Record<string, [number, number]>;
}> {
  const missing = netnsMissing();
  if (missing !== null) throw new Error(missing);
  const values: Record<string, number[]> = {
    perSecond: [],
    producedPerSecond: [],
    lost: [],
    peerLost: [],
    overflowReported: [],
    resynced: [],
  };
  for (let round = 0; round < RUNS; round++) {
    const alone = await burst('alone');
    const beside = await burst('peer');
    const overflow = await burst('overflow');
    values['perSecond']?.push(alone.perSecond);
    values['producedPerSecond']?.push(alone.producedPerSecond);
    values['lost']?.push(alone.lost, beside.lost);
    values['peerLost']?.push(beside.peerLost ?? NaN);
    values['overflowReported']?.push(overflow.lost > 0 && overflow.reported === overflow.lost ? 1 : 0);
    values['resynced']?.push(overflow.resynced > 0 ? 1 : 0);
  }
  const metrics: Record<string, number> = {};
  const spread: Record<string, [number, number]> = {};
  for (const [name, measured] of Object.entries(values)) {
    measured.sort((a, b) => a - b);
    const [low = NaN, high = NaN] = [measured[0], measured.at(-1)];
    spread[name] = [low, high];
    metrics[name] = measured[Math.floor(measured.length / 2)] ?? NaN;
  }
  // A promise that holds in most runs is broken.
  return { metrics: { ...metrics, ...worst(spread) }, runs: RUNS, spread };
}

function worst({ lost, overflowReported, resynced }: Record<string, [number, number]>): Record<string, number> {
  return {
    lost: lost?.[1] ?? NaN,
    overflowReported: overflowReported?.[0] ?? NaN,
    resynced: resynced?.[0] ?? NaN,
  };
}

async function burst(part: 'alone' | 'peer' | 'overflow'): Promise<Burst> {
  const folder = await mkdtemp(join(tmpdir(), 'netlink-burst-'));
  try {
    const { lines, stderr, exitCode } = await inNetns<Burst>(CHILD, [part, folder], { timeoutMs: 60_000 });
    const [measured] = lines;
    if (!measured || exitCode !== 0) throw new Error(`${part} ended with ${exitCode}: ${stderr}`);
    return measured;
  } finally {
    await rm(folder, { recursive: true });
  }
}

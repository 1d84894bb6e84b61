import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

import { parseConfig, systemClock } from '#core';

import { script } from '../../plugins/actions/script/index.ts';
import { DEFAULT_POLICY, type NodePolicy } from '../../sidecar/policy.ts';
import { ProgramHost } from '../../sidecar/program-host.ts';
import { attemptOf, eventOf, silentLog } from '../kit/action-context.ts';
import type { BenchResult } from './result.ts';

const AT_ONCE = 10;
const RUNS = 5;
const PROGRAMS = 4000;
/** The peer needs several milliseconds of the loop for each. */
const PEER_PROGRAMS = 400;
const HOST_BYTES = 150 * 2 ** 20;
const BLOCK_BYTES = 256 * 1024;

const POLICY: NodePolicy = { ...DEFAULT_POLICY, script: { ...DEFAULT_POLICY.script, directories: ['/bin'] } };

interface Measured {
  perSecond: number;
  blockP99Ms: number;
}

/**
 * `/bin/true` through the script action and the program host (environment, policy check, spawner), ten at a time, in a
 * process of 150 MB, alternating with `child_process.spawn` in the same process.
 */
export async function run(): Promise<BenchResult> {
  const ballast = grow();
  const programs = new ProgramHost({ lockFile: null, policy: POLICY, log: silentLog });
  const ours = scriptAction(programs);
  const values: Record<string, number[]> = {
    ratio: [],
    perSecond: [],
    loopBlockP99Ms: [],
    peerPerSecond: [],
    peerBlockP99Ms: [],
  };
  try {
    await measure(ours, PROGRAMS);
    await measure(peer, PEER_PROGRAMS / 4);
    for (let round = 0; round < RUNS; round++) {
      const mine = await measure(ours, PROGRAMS);
      const other = await measure(peer, PEER_PROGRAMS);
      values['ratio']?.push(mine.perSecond / other.perSecond);
      values['perSecond']?.push(mine.perSecond);
      values['loopBlockP99Ms']?.push(mine.blockP99Ms);
      values['peerPerSecond']?.push(other.perSecond);
      values['peerBlockP99Ms']?.push(other.blockP99Ms);
    }
  } finally {
    await programs.stop();
    ballast.length = 0;
  }
  const metrics: Record<string, number> = {};
  const spread: Record<string, [number, number]> = {};
  for (const [name, measured] of Object.entries(values)) {
    measured.sort((a, b) => a - b);
    metrics[name] = quantile(measured, 0.5);
    spread[name] = [quantile(measured, 0), quantile(measured, 1)];
  }
  return { metrics, runs: RUNS, spread };
}

function scriptAction(programs: ProgramHost): () => Promise<void> {
  const fetch = () => Promise.reject(new Error('a script fetches nothing'));
  const context = { clock: systemClock, log: silentLog, fetch, run: programs.run };
  const action = script.create(parseConfig(script.config, { command: ['/bin/true'] }, 'script'), context);
  const event = eventOf();
  const attempt = attemptOf();
  return async () => {
    const result = await action.handle(event, attempt);
    if (result.status !== 'delivered') throw new Error(`/bin/true is ${result.status}: ${result.reason}`);
  };
}

/** Memory outside the JavaScript heap, whose pages a fork copies (V8 keeps those of its heap out of a fork). */
function grow(): Buffer[] {
  const blocks: Buffer[] = [];
  while (process.memoryUsage.rss() < HOST_BYTES) blocks.push(Buffer.alloc(BLOCK_BYTES, 1));
  return blocks;
}

function peer(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn('/bin/true', [], { env: { PATH: '/usr/bin:/bin' }, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.resume();
  child.stderr.resume();
  child.on('error', reject);
  child.on('close', () => resolve());
  return promise;
}

/**
 * The block is how long one turn of the event loop was held, for each turn that started programs: from the first start to the
 * check phase of the same turn. A timer cannot tell, its grain is a millisecond.
 */
async function measure(start: () => Promise<void>, count: number): Promise<Measured> {
  const blocks: number[] = [];
  let left = count;
  let measuring = false;
  const measureTurn = () => {
    if (measuring) return;
    measuring = true;
    const turnStartedAt = performance.now();
    setImmediate(() => {
      measuring = false;
      blocks.push(performance.now() - turnStartedAt);
    });
  };
  const worker = async () => {
    while (left-- > 0) {
      measureTurn();
      await start();
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  blocks.sort((a, b) => a - b);
  return { perSecond: count / seconds, blockP99Ms: quantile(blocks, 0.99) };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
}

/** `npm run bench -- NAME [--json]`: one bench of design section 11; its last line is JSON with the metric names. */
import { cpus, release, totalmem } from 'node:os';

import type { BenchResult } from './result.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ run: () => Promise<BenchResult> }>>> = {
  filter: () => import('./filter.ts'),
  'netlink-burst': () => import('./netlink-burst.ts'),
  script: () => import('./script.ts'),
  pipeline: () => import('./pipeline.ts'),
  claims: () => import('./claims.ts'),
  kubernetes: () => import('./kubernetes.ts'),
  verdict: () => import('./verdict.ts'),
  guard: () => import('./guard.ts'),
  sla: () => import('./sla.ts'),
  footprint: () => import('./footprint.ts'),
};

const args = process.argv.slice(2);
const name = args.find((arg) => !arg.startsWith('-')) ?? '';
const load = BENCHES[name];
if (!load) {
  process.stderr.write(`usage: npm run bench -- NAME [--json]\nknown: ${Object.keys(BENCHES).join(', ')}\n`);
  process.exit(2);
}

const { run } = await load();
const { metrics, runs, spread, met } = await run();
if (!args.includes('--json')) {
  for (const [metric, value] of Object.entries(metrics)) {
    const [low, high] = spread[metric] ?? [];
    const range = low === undefined || high === undefined ? '' : `   (${rounded(low)} to ${rounded(high)})`;
    process.stdout.write(`${metric.padEnd(24)} ${rounded(value)}${range}\n`);
  }
}
const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
};
process.stdout.write(`${JSON.stringify({ bench: name, metrics, runs, spread, met, machine })}\n`);
process.exit(met === false ? 1 : 0);

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

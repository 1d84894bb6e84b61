/** Bench `footprint`: memory and cold start of the shipped sidecar, every built-in source on, at 100 events a second. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { inNetns } from '../kit/netns.ts';
import type { BenchResult } from './result.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCENARIO = fileURLToPath(new URL('./footprint-scenario.ts', import.meta.url));
/** Of the one run, as design section 11 says. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 600);

export async function run(): Promise<BenchResult> {
  execFileSync('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: 'inherit' });
  const { lines, stderr } = await inNetns<BenchResult>(SCENARIO, [ROOT, String(SECONDS)], {
    timeoutMs: (SECONDS + 120) * 1000,
    ownProcesses: true,
  });
  const [result] = lines;
  if (!result) throw new Error(`the scenario said nothing: ${stderr}`);
  return result;
}

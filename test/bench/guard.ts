/** Bench `guard`: one command of the corpora, uncached. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { loadGuardCheck } from '#plugins';

import type { BenchResult } from './result.ts';
import { median, resultOf } from './statistics.ts';

const FOLDER = join(import.meta.dirname, '../conformance/guard');
const RUNS = 7;

interface Line {
  readonly command: string;
  readonly cwd: string;
}

/** Takes about ten seconds. */
export async function run(): Promise<BenchResult> {
  const check = await loadGuardCheck({});
  const judge = ({ command, cwd }: Line) => check({ tool: 'Bash', input: { command }, cwd });
  const all = [...lines('ordinary.jsonl'), ...lines('dangerous.jsonl')];
  for (const line of all) judge(line);
  const mean: number[] = [];
  const p99: number[] = [];
  for (let count = 0; count < RUNS; count++) {
    const each = all.map((line) => {
      const from = performance.now();
      judge(line);
      return (performance.now() - from) * 1000;
    });
    mean.push(each.reduce((sum, micros) => sum + micros, 0) / each.length);
    p99.push(median(each, 0.99));
  }
  return resultOf({ microsPerCommand: mean, p99Micros: p99 });
}

function lines(file: string): Line[] {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

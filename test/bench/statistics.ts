import type { BenchResult } from './result.ts';

/** The value that so many of a hundredth part are below; 0.5: the median. 0 of nothing. */
export function median(values: readonly number[], share = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Medians of runs with the smallest and the largest, by metric name. */
export function resultOf(measured: Readonly<Record<string, readonly number[]>>): BenchResult {
  const metrics: Record<string, number> = {};
  const spread: Record<string, [number, number]> = {};
  let runs = 0;
  for (const [name, values] of Object.entries(measured)) {
    metrics[name] = median(values);
    spread[name] = [Math.min(...values), Math.max(...values)];
    runs = Math.max(runs, values.length);
  }
  return { metrics, runs, spread };
}

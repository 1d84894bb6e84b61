/** Runs the storm, and says what is wrong with its figures. */
import { fileURLToPath } from 'node:url';

import { inNetns } from '../kit/netns.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCENARIO = fileURLToPath(new URL('./storm-scenario.ts', import.meta.url));
/** How much more memory the second half may take than the first. */
const GROWTH = 1.1;

export interface StormFigures {
  readonly seconds: number;
  /** What `ip` was told to change and did. */
  readonly changes: number;
  readonly changesPerSecond: number;
  /** Messages of the kernel. */
  readonly heard: number;
  readonly heardPerSecond: number;
  readonly lostInStorm: number;
  readonly lostTold: number;
  readonly lostCounted: number;
  readonly balanced: boolean;
  readonly unbalanced: readonly string[];
  /** Outcomes by hook. */
  readonly hooks: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the last resyncs found: nothing, where everything was known. */
  readonly differencesAtEnd: readonly string[];
  /** Warnings and errors that the sidecar logged. */
  readonly problems: readonly string[];
  /** Of the sidecar: the maximum of each half minute. */
  readonly rssMiB: readonly number[];
  readonly rssFirstHalfMiB: number;
  readonly rssSecondHalfMiB: number;
  readonly childrenRssMiB: Readonly<Record<string, number>>;
}

export async function runStorm(seconds: number): Promise<StormFigures> {
  const timeoutMs = (seconds + 240) * 1000;
  const { lines, stderr, exitCode } = await inNetns<StormFigures>(SCENARIO, [ROOT, String(seconds)], {
    ownProcesses: true,
    timeoutMs,
  });
  const [figures] = lines;
  if (!figures || exitCode !== 0) throw new Error(`the storm ended with ${exitCode}: ${stderr}`);
  return figures;
}

/** `flat`: whether it was long enough for a word on memory. */
export function stormProblems(figures: StormFigures, flat = true): string[] {
  const { unbalanced, lostTold, lostCounted, lostInStorm, differencesAtEnd, hooks } = figures;
  const { rssFirstHalfMiB: first, rssSecondHalfMiB: second } = figures;
  const silent = Object.entries(hooks).filter(([, outcomes]) => Object.keys(outcomes).length === 0);
  return [
    ...unbalanced,
    ...(lostCounted > lostInStorm ? [] : ['nothing was lost on purpose']),
    ...(lostTold === lostCounted ? [] : [`${lostTold} losses told, ${lostCounted} counted`]),
    ...differencesAtEnd.map((difference) => `not known before the last resync: ${difference}`),
    ...silent.map(([name]) => `hook ${name} heard nothing`),
    ...(flat && second > first * GROWTH ? [`memory grew from ${first} to ${second} MiB`] : []),
  ];
}

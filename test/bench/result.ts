/** What a bench gives: medians by metric name, and the lowest and highest of its runs. */
export interface BenchResult {
  readonly metrics: Readonly<Record<string, number>>;
  readonly runs: number;
  readonly spread: Readonly<Record<string, readonly [number, number]>>;
  /** Whether what is promised is so, where a bench judges that; the command ends with 1 where not. */
  readonly met?: boolean;
}

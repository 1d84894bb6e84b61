const DURATION = /^(\d+)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** What `durationMs` reads, for a JSON Schema. */
export const DURATION_PATTERN = DURATION.source;
export const DURATION_EXPECTED = 'like "5s", "10m" or milliseconds';

/** Milliseconds of `10m`, `5s`, `300ms`, `1h`, `2d`; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const [, count, unit = ''] = DURATION.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest exact form that `durationMs` reads back. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

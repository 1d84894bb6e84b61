/** What actions that speak HTTP read the same way. */
import { errorText } from '#core';

/** Answers that a later attempt may turn into a success, beside every 5xx. */
const RETRYABLE = new Set([408, 425, 429]);
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Every form of a date in HTTP begins with the day of the week; the oldest leaves out that it means GMT. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;

export function isRetryable(status: number): boolean {
  return RETRYABLE.has(status) || status >= 500;
}

/** `Retry-After`, seconds or a date, as milliseconds from now, at most an hour; undefined when it is neither. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : httpDate(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

/** What went wrong at the bottom: `fetch failed` alone helps nobody. */
export function problemOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  if (inner instanceof AggregateError) inner = inner.errors[0];
  return errorText(inner);
}

function httpDate(text: string): number {
  if (!HTTP_DATE.test(text)) return Number.NaN;
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
}

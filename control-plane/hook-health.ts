/** How agents' hooks fare: counts since the start, and a window that forgets (spec leanvibe B7, L36–L38). */
import { AppError, type Clock, type ReportBatch, type TrotlineEvent } from '#core';

const SLICE_MS = 10_000;
/** Slices of the window: five minutes. */
const SLICES = 30;
/** In the window; from here on it is degraded. */
const MOST_VIOLATIONS = 10;
const DEFAULT_THRESHOLD_MS = 50;

export interface HookMetrics {
  /** Events of agents that were told. */
  readonly hooks_processed: number;
  /** Denied. */
  readonly hooks_blocked: number;
  /** Hooks that could not judge or not do what they should. */
  readonly processing_errors: number;
  /** Of verdicts in the window, milliseconds. */
  readonly avg_processing_time_ms: number;
  /** Verdicts that took longer than the threshold. */
  readonly performance_threshold_violations: number;
  /** Calls that got a risk. */
  readonly security_validations: number;
}

export interface HookHealthView {
  readonly status: 'healthy' | 'degraded';
  readonly avg_processing_time_ms: number;
  /** In the window. */
  readonly performance_violations: number;
  readonly metrics: HookMetrics;
}

interface Slice {
  at: number;
  verdicts: number;
  totalMs: number;
  violations: number;
}

export class HookHealth {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #slices: Slice[] = [];
  #processed = 0;
  #blocked = 0;
  #errors = 0;
  #violations = 0;
  #validations = 0;

  constructor(clock: Clock, thresholdMs: number) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
  }

  heard({ attributes }: TrotlineEvent): void {
    this.#processed++;
    if (attributes['agent.verdict'] === 'deny') this.#blocked++;
    if (attributes['agent.risk'] !== undefined) this.#validations++;
    const micros = attributes['agent.decided_us'];
    if (typeof micros !== 'number') return;
    const slice = this.#slice();
    slice.verdicts++;
    slice.totalMs += micros / 1000;
    if (micros / 1000 <= this.#thresholdMs) return;
    slice.violations++;
    this.#violations++;
  }

  stored({ outcomes }: ReportBatch): void {
    for (const { eventId, attempts } of outcomes)
      if (eventId.startsWith('agent-') && attempts.some(({ status }) => status === 'rejected')) this.#errors++;
  }

  view(): HookHealthView {
    const since = this.#clock.monotonic() - SLICES * SLICE_MS;
    const recent = this.#slices.filter(({ at }) => at > since);
    const sum = (of: (slice: Slice) => number): number => recent.reduce((total, slice) => total + of(slice), 0);
    const verdicts = sum((slice) => slice.verdicts);
    const average = verdicts === 0 ? 0 : Math.round((sum((slice) => slice.totalMs) / verdicts) * 1000) / 1000;
    const violations = sum((slice) => slice.violations);
    const isHealthy = average < this.#thresholdMs && violations < MOST_VIOLATIONS;
    return {
      status: isHealthy ? 'healthy' : 'degraded',
      avg_processing_time_ms: average,
      performance_violations: violations,
      metrics: {
        hooks_processed: this.#processed,
        hooks_blocked: this.#blocked,
        processing_errors: this.#errors,
        avg_processing_time_ms: average,
        performance_threshold_violations: this.#violations,
        security_validations: this.#validations,
      },
    };
  }

  #slice(): Slice {
    const now = this.#clock.monotonic();
    const last = this.#slices.at(-1);
    if (last && now - last.at < SLICE_MS) return last;
    const slice = { at: now, verdicts: 0, totalMs: 0, violations: 0 };
    this.#slices.push(slice);
    if (this.#slices.length > SLICES) this.#slices.shift();
    return slice;
  }
}

/** `HOOK_PERFORMANCE_THRESHOLD_MS`. Throws USAGE for what is no number above 0. */
export function thresholdIn({ HOOK_PERFORMANCE_THRESHOLD_MS: value = '' }: NodeJS.ProcessEnv): number {
  if (value === '') return DEFAULT_THRESHOLD_MS;
  const ms = Number(value);
  if (Number.isFinite(ms) && ms > 0) return ms;
  throw new AppError(
    'USAGE',
    `HOOK_PERFORMANCE_THRESHOLD_MS is ${JSON.stringify(value)}, expected milliseconds above 0`,
  );
}

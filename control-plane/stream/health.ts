/** How agents fare with hooks: LeanVibe's health and metrics (spec leanvibe B7, rows L36 to L38). */
import { type Clock, counter, gauge, type MetricFamily, type OutcomeRecord, type TrotlineEvent } from '#core';

import { decidedIn } from './hook-event.ts';

/** What happened before is forgotten by `status`: a node that was slow once is well again. */
export const WINDOW_MS = 300_000;
const SLOT_MS = 10_000;
const SLOTS = WINDOW_MS / SLOT_MS;
/** In the window. */
const MOST_VIOLATIONS = 10;

/** The original's seven, by its names. Counted since the start of the control plane, but for the average. */
export interface HookMetrics {
  /** Events whose agents could go on. */
  readonly hooks_processed: number;
  /** Events whose agents were told no, or to ask. */
  readonly hooks_blocked: number;
  /** Hooks that could not judge, and stages that failed. */
  readonly processing_errors: number;
  /** Of the verdicts in the window; people's time is not in it. */
  readonly avg_processing_time_ms: number;
  readonly performance_threshold_violations: number;
  /** Judgments of guards. */
  readonly security_validations: number;
  /** Events that went through the aggregator. */
  readonly events_aggregated: number;
}

export interface HookHealthReport {
  readonly status: 'healthy' | 'degraded';
  readonly avg_processing_time_ms: number;
  /** In the window. */
  readonly performance_violations: number;
  readonly metrics: HookMetrics;
}

interface Slot {
  number: number;
  verdicts: number;
  totalMs: number;
  violations: number;
}

export class HookHealth {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #thresholdMs: number;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({ ...EMPTY }));
  readonly #counts = { processed: 0, blocked: 0, errors: 0, violations: 0, validations: 0, aggregated: 0 };

  constructor(clock: Pick<Clock, 'monotonic'>, thresholdMs: number) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
  }

  heard({ attributes }: TrotlineEvent): void {
    const { 'agent.verdict': verdict } = attributes;
    if (verdict === 'deny' || verdict === 'ask') this.#counts.blocked++;
    else this.#counts.processed++;
    const tookMs = decidedIn(attributes);
    if (tookMs === null) return;
    const slot = this.#slot();
    slot.verdicts++;
    slot.totalMs += tookMs;
    if (tookMs <= this.#thresholdMs) return;
    slot.violations++;
    this.#counts.violations++;
  }

  /** Of an agent's event. */
  ended({ attempts }: OutcomeRecord): void {
    for (const { actionType, status } of attempts) {
      if (actionType === 'guard') this.#counts.validations++;
      if (status === 'rejected') this.#counts.errors++;
    }
  }

  stageFailed(): void {
    this.#counts.errors++;
  }

  aggregated(events: number): void {
    this.#counts.aggregated += events;
  }

  report(): HookHealthReport {
    const { averageMs, violations } = this.#window();
    const isWell = averageMs < this.#thresholdMs && violations < MOST_VIOLATIONS;
    return {
      status: isWell ? 'healthy' : 'degraded',
      avg_processing_time_ms: averageMs,
      performance_violations: violations,
      metrics: {
        hooks_processed: this.#counts.processed,
        hooks_blocked: this.#counts.blocked,
        processing_errors: this.#counts.errors,
        avg_processing_time_ms: averageMs,
        performance_threshold_violations: this.#counts.violations,
        security_validations: this.#counts.validations,
        events_aggregated: this.#counts.aggregated,
      },
    };
  }

  families(): MetricFamily[] {
    const { metrics } = this.report();
    const count = (name: keyof HookMetrics, help: string) =>
      counter(`trotline_agent_${name}_total`, help, [{ value: metrics[name] }]);
    return [
      count('hooks_processed', 'Events of agents that could go on.'),
      count('hooks_blocked', 'Events of agents that were told no, or to ask.'),
      count('processing_errors', 'Hooks that could not judge, and stages that failed.'),
      gauge('trotline_agent_avg_processing_time_ms', 'Of the verdicts of the last 5 minutes.', [
        { value: metrics.avg_processing_time_ms },
      ]),
      count('performance_threshold_violations', 'Verdicts that took longer than HOOK_PERFORMANCE_THRESHOLD_MS.'),
      count('security_validations', 'Judgments of guards.'),
      count('events_aggregated', 'Events of agents that went through the aggregator.'),
    ];
  }

  #window(): { readonly averageMs: number; readonly violations: number } {
    const oldest = this.#now() - SLOTS;
    const inside = this.#slots.filter(({ number }) => number > oldest);
    const sum = (of: (slot: Slot) => number): number => inside.reduce((total, slot) => total + of(slot), 0);
    const verdicts = sum((slot) => slot.verdicts);
    const averageMs = verdicts === 0 ? 0 : sum(({ totalMs }) => totalMs) / verdicts;
    return { averageMs: Math.round(averageMs * 1000) / 1000, violations: sum((slot) => slot.violations) };
  }

  #slot(): Slot {
    const number = this.#now();
    const at = number % SLOTS;
    const slot = this.#slots[at];
    if (slot?.number === number) return slot;
    const fresh = { ...EMPTY, number };
    this.#slots[at] = fresh;
    return fresh;
  }

  #now(): number {
    return Math.floor(this.#clock.monotonic() / SLOT_MS);
  }
}

const EMPTY: Slot = { number: -SLOTS, verdicts: 0, totalMs: 0, violations: 0 };

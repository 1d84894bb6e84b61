/** What the control plane counts, for Prometheus; since its start. khook's names are kept for khook's Hooks (spec row H19). */
import {
  Counter,
  counter,
  gauge,
  Histogram,
  histogram,
  ledgerName,
  type MetricFamily,
  metricText,
  type OutcomeRecord,
  type ReportBatch,
} from '#core';

import type { HookRegistry } from './config/hook-registry.ts';
import type { SidecarRegistry } from './config/sidecar-registry.ts';

/** Seconds: a script takes milliseconds, an agent minutes. */
const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900];
/** Events whose outcome may still come. */
const REMEMBERED = 5000;

export interface MetricsParts {
  readonly hooks: Pick<HookRegistry, 'current'>;
  readonly sidecars: Pick<SidecarRegistry, 'list'>;
  /** Active events of each of khook's Hooks, by the place of its document; null: they are not followed. */
  readonly activeEvents: ((file: string) => number) | null;
  /** What is counted of agents. */
  readonly agents: () => readonly MetricFamily[];
}

export class Metrics {
  readonly #parts: MetricsParts;
  readonly #outcomes = new Counter();
  readonly #attempts = new Counter();
  readonly #durations = new Histogram(BOUNDS);
  readonly #events = new Counter();
  readonly #khookEvents = new Counter();
  readonly #khookCalls = new Counter();
  readonly #khookDurations = new Histogram(BOUNDS);
  /** Type by event id. */
  readonly #types = new Map<string, string>();
  /** By sidecar, up to which outcome was counted: what is sent again is not. */
  readonly #counted = new Map<string, number>();

  constructor(parts: MetricsParts) {
    this.#parts = parts;
  }

  /** A batch that is stored. */
  stored({ events, outcomes }: ReportBatch, sidecarId: string): void {
    for (const { id, type } of events) this.#remember(id, type);
    const counted = this.#counted.get(sidecarId) ?? 0;
    for (const outcome of outcomes) if (outcome.sequence > counted) this.#count(outcome);
    this.#counted.set(sidecarId, Math.max(counted, outcomes.at(-1)?.sequence ?? 0));
  }

  text(): string {
    return metricText([
      ...this.#parts.agents(),
      counter('trotline_events_total', 'Events that a hook wanted, once each, by type.', this.#events.samples),
      counter('trotline_outcomes_total', 'Outcomes of hooks.', this.#outcomes.samples),
      counter('trotline_attempts_total', 'Attempts of actions, by their result.', this.#attempts.samples),
      histogram('trotline_attempt_duration_seconds', 'How long attempts took.', this.#durations.samples),
      ...this.#gauges(),
      counter('khook_events_total', "Events of khook's Hooks, by type and outcome.", this.#khookEvents.samples),
      counter('khook_api_calls_total', 'Calls of agents for them.', this.#khookCalls.samples),
      histogram('khook_api_call_duration_seconds', 'How long these took.', this.#khookDurations.samples),
      this.#active(),
    ]);
  }

  #count({ eventId, hook, outcome, reason, attempts }: OutcomeRecord): void {
    const type = this.#types.get(eventId) ?? '';
    this.#outcomes.add({ hook, outcome: ledgerName({ outcome, reason }) });
    const khook = this.#parts.hooks.current.byId.get(hook)?.form === 'Hook';
    const [namespace = '', name = ''] = hook.split('/');
    if (khook) this.#khookEvents.add({ namespace, hook: name, event_type: type.slice(type.indexOf('.') + 1), outcome });
    for (const { actionType: action, status, durationMs } of attempts) {
      const seconds = durationMs / 1000;
      this.#attempts.add({ hook, action, result: status });
      this.#durations.observe({ action }, seconds);
      if (!khook) continue;
      this.#khookCalls.add({ namespace, hook: name, status: status === 'delivered' ? 'success' : 'failure' });
      this.#khookDurations.observe({ namespace, hook: name }, seconds);
    }
  }

  #remember(id: string, type: string): void {
    if (!this.#types.has(id)) this.#events.add({ type });
    this.#types.set(id, type);
    const oldest = this.#types.size > REMEMBERED ? this.#types.keys().next().value : undefined;
    if (oldest !== undefined) this.#types.delete(oldest);
  }

  #gauges(): MetricFamily[] {
    const { hooks, sidecars } = this.#parts;
    const connected = sidecars.list().filter((sidecar) => sidecar.connected).length;
    const failing = sidecars
      .list()
      .flatMap((sidecar) => sidecar.hooks.filter(({ state }) => state === 'failed')).length;
    return [
      gauge('trotline_hooks', 'Hooks that are accepted.', [{ value: hooks.current.hooks.length }]),
      gauge('trotline_hooks_refused', 'Hooks that are refused.', [{ value: hooks.current.refused.length }]),
      gauge('trotline_hooks_failed', 'Hooks that a sidecar could not apply, over all sidecars.', [{ value: failing }]),
      gauge('trotline_sidecars_connected', 'Sidecars that are connected.', [{ value: connected }]),
      gauge('process_resident_memory_bytes', 'Resident memory.', [{ value: process.memoryUsage.rss() }]),
    ];
  }

  #active(): MetricFamily {
    const { hooks, activeEvents } = this.#parts;
    const khooks = activeEvents ? hooks.current.hooks.filter(({ form }) => form === 'Hook') : [];
    const samples = khooks.map(({ namespace, name, origin }) => ({
      labels: { namespace, hook: name },
      value: activeEvents?.(origin?.file ?? '') ?? 0,
    }));
    return gauge('khook_active_events', "Active events of khook's Hooks.", samples);
  }
}

/** What a sidecar counts, for Prometheus: its ledger, and how it stands. */
import { counter, gauge, type Ledger, metricText, type Sample } from '#core';

export interface SidecarNumbers {
  readonly ledger: Ledger;
  /** Whether the control plane answers. */
  readonly coordinated: boolean;
  readonly active: number;
  readonly waiting: number;
}

export function sidecarMetrics({ ledger, coordinated, active, waiting }: SidecarNumbers): string {
  const { sources, hooks, health } = ledger;
  return metricText([
    counter('trotline_source_heard_total', 'Events that sources heard.', bySource(sources, 'heard')),
    counter('trotline_source_unmatched_total', 'Of these, events that no hook wanted.', bySource(sources, 'unmatched')),
    counter('trotline_source_routed_total', 'Of these, events that a hook wanted.', bySource(sources, 'routed')),
    counter('trotline_source_lost_total', 'Of these, events that were lost, by reason.', lost(sources)),
    gauge(
      'trotline_source_ok',
      'Whether a source hears all it should.',
      health.map(({ source, status }) => ({
        labels: { source },
        value: Number(status === 'ok'),
      })),
    ),
    counter(
      'trotline_hook_routed_total',
      'Events that a hook was given.',
      hooks.map(({ hook, routed }) => ({
        labels: { hook },
        value: routed,
      })),
    ),
    counter(
      'trotline_hook_outcomes_total',
      'Outcomes of hooks.',
      hooks.flatMap(({ hook, outcomes }) =>
        Object.entries(outcomes).map(([outcome, value]) => ({ labels: { hook, outcome }, value })),
      ),
    ),
    gauge(
      'trotline_hook_pending',
      'Events without an outcome yet.',
      hooks.map(({ hook, pending }) => ({
        labels: { hook },
        value: pending,
      })),
    ),
    gauge('trotline_rounds_active', 'Events that are worked on.', [{ value: active }]),
    gauge('trotline_rounds_waiting', 'Events that wait for a retry or their turn.', [{ value: waiting }]),
    gauge('trotline_coordinated', 'Whether the control plane answers.', [{ value: Number(coordinated) }]),
    gauge('process_resident_memory_bytes', 'Resident memory.', [{ value: process.memoryUsage.rss() }]),
  ]);
}

/** Lives of one source are one series. */
function bySource(sources: Ledger['sources'], what: 'heard' | 'unmatched' | 'routed'): Sample[] {
  const sums = new Map<string, number>();
  for (const source of sources) sums.set(source.source, (sums.get(source.source) ?? 0) + source[what]);
  return [...sums].map(([source, value]) => ({ labels: { source }, value }));
}

function lost(sources: Ledger['sources']): Sample[] {
  const sums = new Map<string, Map<string, number>>();
  for (const { source, lost: counts } of sources) {
    const known = sums.get(source) ?? new Map<string, number>();
    sums.set(source, known);
    for (const [reason, count] of Object.entries(counts)) known.set(reason, (known.get(reason) ?? 0) + count);
  }
  return [...sums].flatMap(([source, counts]) =>
    [...counts].map(([reason, value]) => ({ labels: { source, reason }, value })),
  );
}

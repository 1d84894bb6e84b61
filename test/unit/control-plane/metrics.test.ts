import { describe, expect, it } from 'vitest';

import {
  type AttemptRecord,
  createHook,
  EventHookSpec,
  type Hook,
  hookId,
  type OutcomeRecord,
  parseConfig,
} from '#core';

import type { HookRegistry } from '../../../control-plane/config/hook-registry.ts';
import { Metrics } from '../../../control-plane/metrics.ts';
import { eventOf } from '../../kit/action-context.ts';

function hookOf(form: 'Hook' | 'EventHook', name: string): Hook {
  const spec = parseConfig(EventHookSpec, { actions: [{ type: 'a2a' }] }, 'test');
  return createHook({ namespace: 'shop', name, form, spec, origin: { file: `hooks/${name}`, line: 1 } });
}

const HOOKS = [hookOf('Hook', 'doctor'), hookOf('EventHook', 'pager')];

function metricsOf() {
  const byId = new Map(HOOKS.map((hook) => [hookId(hook), hook]));
  const current = { hooks: HOOKS, byId, refused: [] } as unknown as HookRegistry['current'];
  return new Metrics({ hooks: { current }, sidecars: { list: () => [] }, activeEvents: () => 2, agents: () => [] });
}

const attempt = (status: AttemptRecord['status'], durationMs: number): AttemptRecord => ({
  action: 0,
  actionType: 'a2a',
  number: 1,
  deliveryId: 'd',
  status,
  reason: '',
  detail: '',
  output: '',
  timedOut: false,
  startedMs: 0,
  durationMs,
});

function outcome(sequence: number, hook: string, parts: Partial<OutcomeRecord> = {}): OutcomeRecord {
  const rest = { reason: '', uncoordinated: false, timeMs: 0, attempts: [] };
  return { sequence, eventId: `e${sequence}`, hook, outcome: 'delivered', ...rest, ...parts };
}

const batchOf = (outcomes: readonly OutcomeRecord[]) => ({
  events: outcomes.map(({ eventId }) => eventOf({ id: eventId, type: 'kubernetes.oom-kill' })),
  outcomes,
  progress: [],
  ledger: null,
});

describe('what the control plane counts', () => {
  const batch = batchOf([
    outcome(1, 'shop/doctor', { attempts: [attempt('retry', 200), attempt('delivered', 2000)] }),
    outcome(2, 'shop/doctor', { outcome: 'deduplicated' }),
    outcome(3, 'shop/pager', { outcome: 'dropped', reason: 'loop' }),
  ]);
  const lines = (metrics: Metrics): string[] => metrics.text().split('\n');

  it("H19: has khook's metrics with the values of khook's Hooks alone", () => {
    const metrics = metricsOf();
    metrics.stored(batch, 'sidecar-1');
    expect(lines(metrics).filter((line) => /^khook_(?!.*_bucket)/.test(line))).toEqual([
      'khook_events_total{namespace="shop",hook="doctor",event_type="oom-kill",outcome="delivered"} 1',
      'khook_events_total{namespace="shop",hook="doctor",event_type="oom-kill",outcome="deduplicated"} 1',
      'khook_api_calls_total{namespace="shop",hook="doctor",status="failure"} 1',
      'khook_api_calls_total{namespace="shop",hook="doctor",status="success"} 1',
      'khook_api_call_duration_seconds_sum{namespace="shop",hook="doctor"} 2.2',
      'khook_api_call_duration_seconds_count{namespace="shop",hook="doctor"} 2',
      'khook_active_events{namespace="shop",hook="doctor"} 2',
    ]);
  });

  it('has every hook under our own names, and counts what is sent again once', () => {
    const metrics = metricsOf();
    metrics.stored(batch, 'sidecar-1');
    metrics.stored(batch, 'sidecar-1');
    expect(lines(metrics)).toEqual(
      expect.arrayContaining([
        'trotline_events_total{type="kubernetes.oom-kill"} 3',
        'trotline_outcomes_total{hook="shop/doctor",outcome="delivered"} 1',
        'trotline_outcomes_total{hook="shop/pager",outcome="dropped(loop)"} 1',
        'trotline_attempts_total{hook="shop/doctor",action="a2a",result="retry"} 1',
        'trotline_hooks 2',
      ]),
    );
    metrics.stored(batchOf([outcome(1, 'shop/pager')]), 'sidecar-2');
    expect(lines(metrics)).toContain('trotline_outcomes_total{hook="shop/pager",outcome="delivered"} 1');
  });
});

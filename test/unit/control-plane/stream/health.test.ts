import { describe, expect, it } from 'vitest';

import type { AttemptRecord, OutcomeRecord } from '#core';

import { HookHealth } from '../../../../control-plane/stream/health.ts';
import { eventOf, manualClock } from '../../../kit/action-context.ts';

function health() {
  const clock = manualClock();
  const hooks = new HookHealth(clock, 50);
  const heard = (ms: number, more: Record<string, string> = {}): void =>
    hooks.heard(eventOf({ source: 'agent', attributes: { 'agent.decided_us': ms * 1000, ...more } }));
  return { clock, hooks, heard };
}

const attempt = (actionType: string, status: AttemptRecord['status']): AttemptRecord => ({
  action: 0,
  actionType,
  number: 1,
  deliveryId: 'd',
  status,
  reason: '',
  detail: '',
  output: '',
  timedOut: false,
  startedMs: 0,
  durationMs: 1,
});

const outcomeOf = (...attempts: readonly AttemptRecord[]): OutcomeRecord => ({
  sequence: 1,
  eventId: 'agent-1',
  hook: 'trotline/guard',
  outcome: 'delivered',
  reason: '',
  uncoordinated: false,
  timeMs: 0,
  attempts,
});

describe('the health of agents’ hooks', () => {
  it('L36: has the seven keys: processed, blocked, failed, late, judged, aggregated and the average', () => {
    const { hooks, heard } = health();
    heard(1, { 'agent.verdict': 'deny' });
    heard(3);
    heard(80);
    hooks.ended(outcomeOf(attempt('guard', 'delivered'), attempt('script', 'rejected')));
    hooks.aggregated(3);
    expect(hooks.report().metrics).toEqual({
      hooks_processed: 2,
      hooks_blocked: 1,
      processing_errors: 1,
      avg_processing_time_ms: 28,
      performance_threshold_violations: 1,
      security_validations: 1,
      events_aggregated: 3,
    });
    const names = hooks.families().map(({ name }) => name);
    expect(names).toEqual(Object.keys(hooks.report().metrics).map((key) => expect.stringContaining(key) as unknown));
  });

  it('L37: is degraded by a slow average or ten slow verdicts, and recovers', () => {
    const { clock, hooks, heard } = health();
    expect(hooks.report().status).toBe('healthy');
    heard(60);
    expect(hooks.report()).toMatchObject({ status: 'degraded', avg_processing_time_ms: 60 });
    for (let count = 0; count < 1000; count++) heard(1);
    expect(hooks.report().status).toBe('healthy');
    for (let count = 0; count < 9; count++) heard(60);
    expect(hooks.report()).toMatchObject({ status: 'degraded', performance_violations: 10 });
    clock.advance(6 * 60_000);
    expect(hooks.report()).toMatchObject({ status: 'healthy', performance_violations: 0 });
    expect(hooks.report().metrics.performance_threshold_violations).toBe(10);
  });
});

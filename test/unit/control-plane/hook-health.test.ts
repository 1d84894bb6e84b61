import { describe, expect, it } from 'vitest';

import { HookHealth, thresholdIn } from '../../../control-plane/hook-health.ts';
import { eventOf, manualClock } from '../../kit/action-context.ts';

function health() {
  const clock = manualClock();
  const hooks = new HookHealth(clock, 50);
  const heard = (ms: number, more: Record<string, string> = {}): void =>
    hooks.heard(eventOf({ source: 'agent', attributes: { 'agent.decided_us': ms * 1000, ...more } }));
  return { clock, hooks, heard };
}

describe('the health of agents’ hooks', () => {
  it('L36: counts what was told, denied, judged and late', () => {
    const { hooks, heard } = health();
    heard(1, { 'agent.verdict': 'deny', 'agent.risk': 'CRITICAL' });
    heard(3, { 'agent.risk': 'SAFE' });
    heard(80);
    expect(hooks.view().metrics).toEqual({
      hooks_processed: 3,
      hooks_blocked: 1,
      processing_errors: 0,
      avg_processing_time_ms: 28,
      performance_threshold_violations: 1,
      security_validations: 2,
    });
  });

  it('L37: is degraded by a slow average or ten slow verdicts, and recovers', () => {
    const { clock, hooks, heard } = health();
    expect(hooks.view().status).toBe('healthy');
    heard(60);
    expect(hooks.view()).toMatchObject({ status: 'degraded', avg_processing_time_ms: 60 });
    for (let count = 0; count < 1000; count++) heard(1);
    expect(hooks.view().status).toBe('healthy');
    for (let count = 0; count < 9; count++) heard(60);
    expect(hooks.view()).toMatchObject({ status: 'degraded', performance_violations: 10 });
    clock.advance(6 * 60_000);
    expect(hooks.view()).toMatchObject({ status: 'healthy', performance_violations: 0 });
    expect(hooks.view().metrics.performance_threshold_violations).toBe(10);
  });

  it('L33: takes its threshold from the variable, or says what was expected', () => {
    expect(thresholdIn({})).toBe(50);
    expect(thresholdIn({ HOOK_PERFORMANCE_THRESHOLD_MS: '12.5' })).toBe(12.5);
    expect(() => thresholdIn({ HOOK_PERFORMANCE_THRESHOLD_MS: 'fast' })).toThrow(
      'HOOK_PERFORMANCE_THRESHOLD_MS is "fast", expected milliseconds above 0',
    );
  });
});

import { describe, expect, it } from 'vitest';

import { HOOK_BYPASSED } from '#core';

import { hookEvent } from '../../../../control-plane/stream/hook-event.ts';
import { agentEvent } from './kit.ts';

describe("an agent event in LeanVibe's form", () => {
  it("has the original's eight keys and the event's id", () => {
    const event = agentEvent(
      { agent: 'a-1', correlation: 'c-1', input: { command: 'rm -rf /' } },
      { 'agent.verdict': 'deny', 'agent.reason': 'CRITICAL: delete-system', 'agent.decided_us': 1500 },
      'agent-l1-7',
    );
    expect(hookEvent(event)).toEqual({
      hook_type: 'PreToolUse',
      agent_id: 'a-1',
      session_id: 'session-1',
      timestamp: '2026-11-27T12:00:00.000Z',
      payload: {
        tool_name: 'Bash',
        parameters: { command: 'rm -rf /' },
        command: 'rm -rf /',
        cwd: '/home/dev/project',
        tool_use_id: 'toolu_1',
      },
      correlation_id: 'c-1',
      priority: 3,
      metadata: {
        type: 'agent.pre-tool-use',
        node: 'node-1',
        verdict: 'deny',
        reason: 'CRITICAL: delete-system',
        dialect: 'claude-code',
        processing_time_ms: 1.5,
      },
      event_id: 'agent-l1-7',
    });
  });

  it('has null for what the runtime does not say, and the input as text where it was cut', () => {
    const told = hookEvent(agentEvent({ session: '' }, { 'agent.input': '{"command":"ls… (9 characters)' }));
    expect(told).toMatchObject({ session_id: null, correlation_id: null, agent_id: '' });
    expect(told.payload.parameters).toBe('{"command":"ls… (9 characters)');
  });

  it('names what the source tells by itself in the manner of the others', () => {
    const event = { ...agentEvent(), type: HOOK_BYPASSED };
    expect(hookEvent(event).hook_type).toBe('HookBypassed');
  });
});

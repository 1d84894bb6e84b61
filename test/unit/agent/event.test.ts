import { describe, expect, it } from 'vitest';

import { HOOK_TYPES, type HookEvent } from '../../../agent/index.ts';
import { wireForm } from '../../../agent/event.ts';

describe('an event in the neutral form', () => {
  it('has the eight keys of LeanVibe, and only what was given', () => {
    const event: HookEvent = {
      hookType: 'PreToolUse',
      agent: 'a-1',
      session: 's-1',
      payload: { tool_name: 'Bash', parameters: { command: 'ls' } },
      correlation: 'c-1',
      priority: 3,
      metadata: { team: 'x' },
    };
    expect(wireForm(event)).toEqual({
      hook_type: 'PreToolUse',
      agent_id: 'a-1',
      session_id: 's-1',
      timestamp: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/) as unknown,
      payload: { tool_name: 'Bash', parameters: { command: 'ls' } },
      correlation_id: 'c-1',
      priority: 3,
      metadata: { team: 'x' },
    });
    expect(Object.keys(wireForm({ hookType: 'Stop' }))).not.toContain('priority');
  });

  it.each<[object, string]>([
    [{ hookType: 'PreTool' }, `hookType is "PreTool", expected one of ${HOOK_TYPES.join(', ')}`],
    [{ hookType: 'postToolUse' }, 'did you mean "PostToolUse"?'],
    [{ hookType: undefined }, 'hookType is undefined, expected one of'],
    [{ hookType: 'Stop', payload: [] }, 'payload is [], expected an object'],
    [{ hookType: 'Stop', metadata: 'x' }, 'metadata is "x", expected an object'],
    [{ hookType: 'Stop', priority: 0 }, 'priority is 0, expected 1 (most urgent) to 10'],
    [{ hookType: 'Stop', priority: 2.5 }, 'priority is 2.5, expected 1'],
    [{ hookType: 'Stop', agent: 7 }, 'agent is 7, expected text'],
    [{ hookType: 'Stop', session: {} }, 'session is {}, expected text'],
  ])('L1: %j is refused with what was expected', (event, message) => {
    expect(() => wireForm(event as HookEvent)).toThrow(message);
    expect(() => wireForm(event as HookEvent)).toThrow(TypeError);
  });
});

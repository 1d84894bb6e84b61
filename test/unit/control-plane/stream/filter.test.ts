import { describe, expect, it } from 'vitest';

import { filterIn, parseFilter, passes } from '../../../../control-plane/stream/filter.ts';
import { hookEvent } from '../../../../control-plane/stream/hook-event.ts';
import { agentEvent } from './kit.ts';

const query = (text: string) => filterIn(new URLSearchParams(text));
const EVENT = hookEvent(agentEvent({ agent: 'a', session: 's', priority: 3 }));

describe('L23: filters of the stream', () => {
  it.each([
    ['', true],
    ['agent_ids=a', true],
    ['agent_ids=b,a', true],
    ['agent_ids=b&agent_ids=a', true],
    ['agent_ids=b', false],
    ['agent_ids=', false],
    ['hook_types=PreToolUse', true],
    ['hook_types=PostToolUse', false],
    ['hook_types=pre-tool-use', false],
    ['hook_types=', false],
    ['session_ids=s', true],
    ['session_ids=t', false],
    ['session_ids=', false],
    ['agent_ids=a&session_ids=t', false],
    ['agent_ids=a&hook_types=PreToolUse&session_ids=s&min_priority=3', true],
  ])('"%s" passes a PreToolUse of agent a in session s with priority 3: %s', (text, expected) => {
    expect(passes(query(text), EVENT)).toBe(expected);
  });

  it('min_priority passes everything that is as urgent, and the most urgent always', () => {
    const passed = (min: number): number[] =>
      [1, 2, 3, 4, 5, 10].filter((priority) => passes({ min_priority: min }, { ...EVENT, priority }));
    expect(passed(3)).toEqual([1, 2, 3]);
    expect(passed(1)).toEqual([1]);
    expect(passed(10)).toEqual([1, 2, 3, 4, 5, 10]);
  });

  it('an event without a session passes any list of sessions but an empty one', () => {
    const event = { ...EVENT, session_id: null };
    expect(passes({ session_ids: ['other'] }, event)).toBe(true);
    expect(passes({ session_ids: [] }, event)).toBe(false);
  });

  it('refuses what is none, by name', () => {
    expect(() => query('agent_id=a')).toThrow(/invalid query: \/agent_id is not a known key/);
    expect(() => query('min_priority=urgent')).toThrow(/\/min_priority/);
    expect(() => query('min_priority=0')).toThrow(/\/min_priority/);
    expect(() => query('__proto__=a')).toThrow(/__proto__ is not a known key/);
    expect(() => parseFilter({ agent_ids: 'a' }, 'filter')).toThrow(/invalid filter: \/agent_ids/);
    expect(() => parseFilter([], 'filter')).toThrow(/invalid filter/);
  });
});

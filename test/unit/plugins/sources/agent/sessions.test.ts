import { describe, expect, it } from 'vitest';

import { type AgentCall, NO_PEER } from '#core';

import { Sessions } from '../../../../../plugins/sources/agent/sessions.ts';
import { callOf } from '../../../../kit/agent-call.ts';

const MINUTE = 60_000;

function sessions() {
  let at = 0;
  const all = new Sessions({ idleMs: 60 * MINUTE, silentTurns: 3, now: () => at });
  const hear = (name: string, parts: Partial<AgentCall> = {}) => all.hear(callOf({ name, ...parts }));
  return { all, hear, pass: (ms: number) => void (at += ms) };
}

const podOf = (pod: string, podUid = '') => ({ peer: { ...NO_PEER, namespace: 'agents', pod, podUid } });

describe('the sessions of a node', () => {
  it('pair a Pre and its Post by the id of the call, and without one by tool and input', () => {
    const { hear } = sessions();
    hear('PreToolUse', { toolUseId: 'a' });
    expect(hear('PostToolUse', { toolUseId: 'a' })).toMatchObject({ paired: true, bypass: null });
    const input = { command: 'ls' };
    hear('PreToolUse', { toolUseId: '', input });
    expect(hear('PostToolUseFailure', { toolUseId: '', input })).toMatchObject({ paired: true });
  });

  it('tell of a Post that nobody was asked about, once it is sure that its Pre would have been heard', () => {
    const { hear, pass } = sessions();
    expect(hear('PostToolUse', { toolUseId: 'before-us' })).toMatchObject({ paired: false, bypass: null });
    hear('PreToolUse', { toolUseId: 'a' });
    expect(hear('PostToolUse', { toolUseId: 'b' }).bypass).toContain('without a question before it');
    pass(24 * 60 * MINUTE);
    expect(hear('PostToolUse', { session: 'later', toolUseId: 'c' }).bypass).toContain('without a question');
    expect(hear('PostToolUse', { session: '', toolUseId: 'd' })).toEqual({
      paired: undefined,
      bypass: null,
      unasked: 0,
    });
  });

  it('tell of a session that used to ask and goes on without, once', () => {
    const { hear } = sessions();
    for (let turn = 0; turn < 4; turn++) {
      hear('PreToolUse', { toolUseId: `t${turn}` });
      hear('PostToolUse', { toolUseId: `t${turn}` });
      expect(hear('Stop').bypass).toBeNull();
    }
    expect([hear('Stop'), hear('Stop')].map(({ bypass }) => bypass)).toEqual([null, null]);
    expect(hear('Stop')).toMatchObject({ bypass: expect.stringContaining('does not any more') as unknown, unasked: 3 });
    expect(hear('Stop').bypass).toBeNull();
  });

  it('end when they say so, and when they are silent for too long', () => {
    const { all, hear, pass } = sessions();
    hear('SessionStart', { session: 'ends' });
    hear('SessionEnd', { session: 'ends' });
    hear('SessionStart', { session: 'silent' });
    pass(59 * MINUTE);
    hear('SessionStart', { session: 'awake' });
    expect(all.expired()).toEqual([]);
    pass(2 * MINUTE);
    expect(all.expired().map(({ session }) => session)).toEqual(['silent']);
    expect(all.expired()).toEqual([]);
    expect(all.size).toBe(1);
  });

  it('are no other pod’s, whatever they call themselves', () => {
    const { hear } = sessions();
    hear('PreToolUse', { toolUseId: 'a', ...podOf('coder') });
    hear('PreToolUse', { toolUseId: 'x', ...podOf('thief') });
    expect(hear('PostToolUse', { toolUseId: 'a', ...podOf('thief') })).toMatchObject({ paired: false });
    hear('PreToolUse', { toolUseId: 'b', ...podOf('', 'uid-1') });
    hear('SessionEnd', podOf('', 'uid-2'));
    expect(hear('PostToolUse', { toolUseId: 'b', ...podOf('', 'uid-1') })).toMatchObject({ paired: true });
    expect(hear('PostToolUse', { toolUseId: 'a', ...podOf('coder') })).toMatchObject({ paired: true });
  });

  it('are bounded, and so are the calls of one that nobody ends', () => {
    const { all, hear } = sessions();
    for (let number = 0; number < 10_050; number++) hear('PreToolUse', { session: `s${number}`, toolUseId: 'a' });
    expect(all.size).toBe(10_000);
    for (let number = 0; number <= 1000; number++) hear('PreToolUse', { session: 'long', toolUseId: `u${number}` });
    expect(hear('PostToolUse', { session: 'long', toolUseId: 'u0' })).toMatchObject({ paired: false });
    expect(hear('PostToolUse', { session: 'long', toolUseId: 'u1000' })).toMatchObject({ paired: true });
  });
});

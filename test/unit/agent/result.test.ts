import { describe, expect, it } from 'vitest';

import { RISKS } from '#core';

import { failure, parseAnswer } from '../../../agent/result.ts';

const ALLOWED = { success: true, security_decision: null, blocked_reason: null, event_id: 'agent-1', risk_level: null };

describe('the neutral answer', () => {
  it('L2: has everything that the caller is told', () => {
    const answer = {
      ...ALLOWED,
      success: false,
      security_decision: 'DENY',
      blocked_reason: 'no',
      risk_level: 'CRITICAL',
      message: 'look',
      additional_context: 'know',
    };
    expect(parseAnswer(answer, 1.5)).toEqual({
      success: false,
      proceed: false,
      processingTimeMs: 1.5,
      error: null,
      decision: 'deny',
      reason: 'no',
      eventId: 'agent-1',
      risk: 'CRITICAL',
      updatedInput: null,
      context: 'know',
      message: 'look',
      stop: null,
    });
  });

  it.each([
    [{}, null, true],
    [{ security_decision: 'ALLOW' }, 'allow', true],
    [{ security_decision: 'REQUIRE_APPROVAL', blocked_reason: 'ask' }, 'ask', false],
    [{ security_decision: 'DENY' }, 'deny', false],
    [{ stop_reason: 'enough' }, null, false],
  ])('L13: %j goes on or does not', (parts, decision, proceed) => {
    expect(parseAnswer({ ...ALLOWED, ...parts }, 1)).toMatchObject({ decision, proceed, success: proceed });
  });

  it('knows every risk', () => {
    for (const risk of RISKS) expect(parseAnswer({ ...ALLOWED, risk_level: risk }, 1).risk).toBe(risk);
  });

  it.each<[unknown, string]>([
    [null, 'the answer is null, expected an object'],
    [[], 'the answer is [], expected an object'],
    [{}, 'the answer/security_decision is undefined, expected null, ALLOW, REQUIRE_APPROVAL or DENY'],
    [{ ...ALLOWED, security_decision: 'allow' }, '/security_decision is "allow"'],
    [{ ...ALLOWED, event_id: 7 }, 'the answer/event_id is 7, expected text'],
    [{ ...ALLOWED, updated_input: 'ls' }, 'the answer/updated_input is "ls", expected an object'],
  ])('%j is no answer', (answer, message) => {
    expect(() => parseAnswer(answer, 1)).toThrow(message);
  });
});

describe('no answer', () => {
  it('goes on or denies, and is never a success', () => {
    expect(failure('away', 'open', 2)).toMatchObject({ success: false, proceed: true, decision: null, error: 'away' });
    expect(failure('away', 'closed', 2)).toMatchObject({
      success: false,
      proceed: false,
      decision: 'deny',
      error: 'away',
      reason: 'away (onFailure: closed)',
      eventId: null,
    });
  });
});

import { describe, expect, it } from 'vitest';

import { ATTEMPT_STATUSES, ATTRIBUTE, defineAction, defineSource, OUTCOMES, SPAN, Type, VERSION } from '#core';

describe('definitions of plugins', () => {
  const config = Type.Object({}, { additionalProperties: false });

  it('say which kind they are', () => {
    const action = defineAction({
      type: 'none',
      stability: 'experimental',
      config,
      create: () => ({ handle: () => Promise.resolve({ status: 'delivered' }) }),
    });
    const source = defineSource({
      type: 'none',
      stability: 'stable',
      eventTypes: ['none.nothing'],
      config,
      create: () => ({}),
    });
    expect([action.kind, source.kind]).toEqual(['action', 'source']);
  });
});

describe('names', () => {
  it('are spelled once each', () => {
    for (const table of [Object.values(SPAN), Object.values(ATTRIBUTE), OUTCOMES, ATTEMPT_STATUSES]) {
      expect(new Set<string>(table).size).toBe(table.length);
    }
  });

  it('of attributes are all in our namespace', () => {
    for (const name of Object.values(ATTRIBUTE)) expect(name).toMatch(/^trotline\.[a-z.]+$/);
  });

  it('have a version', () => {
    expect(VERSION).toMatch(/^\d+\.\d+\.\d+/);
  });
});

import { describe, expect, it } from 'vitest';

import type { TrotlineEvent } from '#core';

import { missingForNetlink, scenario } from './run.ts';

const missing = missingForNetlink('hooks on real link changes');
const SCENARIOS = new URL('script-scenarios.ts', import.meta.url);

type Variables = Record<string, string>;

describe.skipIf(missing !== null)('a hook on real link changes', () => {
  it('N6: compares each of the six fields with what a veth add in a named network namespace gives', async () => {
    expect(await scenario(SCENARIOS, 'fields')).toEqual([
      'all',
      'event-type-true',
      'interface-true',
      'message-type-true',
      'namespace-true',
      'sequence-true',
      'timestamp-true',
    ]);
  });

  it('N12: without a condition runs for every event', async () => {
    expect(await scenario(SCENARIOS, 'everyEvent')).toEqual({
      heard: 42,
      unmatched: 0,
      routed: 42,
      stored: { 'trotline/all': { delivered: 42 } },
      runs: 42,
    });
  });

  it('N13: gives its script the five variables and PATH, with the values of the event in the history', async () => {
    const seen = await scenario<{ env: Variables; event: TrotlineEvent; addedAt: number }>(SCENARIOS, 'environment');
    const { env, event, addedAt } = seen;
    expect(event).toMatchObject({ type: 'netlink.link-added', interface: 'n13', messageType: 16, eventType: 1 });
    expect(env).toEqual({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      NLMON_TIMESTAMP: String(event.time),
      NLMON_SEQUENCE: String(event.sequence),
      NLMON_EVENT_TYPE: '1',
      NLMON_MESSAGE_TYPE: '16',
      NLMON_INTERFACE: 'n13',
      TROTLINE_DELIVERY_ID: expect.stringMatching(/^\w+$/),
      TROTLINE_ATTEMPT: '1',
      TROTLINE_HOOK: 'trotline/env',
      TROTLINE_EVENT_ID: event.id,
      TROTLINE_EVENT_TYPE: 'netlink.link-added',
    });
    expect(event.time).toBeGreaterThanOrEqual(addedAt);
    expect(event.time).toBeLessThan(addedAt + 1000);
    expect(event.sequence).toBe(2);
  });

  it('N14: gives no NLMON_INTERFACE where the event has none', async () => {
    const env = await scenario<Variables>(SCENARIOS, 'withoutInterface');
    expect(env).toMatchObject({ NLMON_MESSAGE_TYPE: '0', TROTLINE_EVENT_TYPE: 'netlink.overflow' });
    expect(env).not.toHaveProperty('NLMON_INTERFACE');
  });

  it('N16: gives a hostile name literally, and nothing of it runs', async () => {
    const { names, printed, subjects } = await scenario<{
      names: string[];
      printed: Record<string, number>;
      subjects: Record<string, number>;
    }>(SCENARIOS, 'hostileNames');
    const all = [...names, ...names.map((_, index) => `p${index}`)];
    expect(subjects).toEqual(Object.fromEntries(all.map((name) => [name, 1])));
    expect(printed, 'once by a program, once by a shell').toEqual(Object.fromEntries(all.map((name) => [name, 2])));
  });
});

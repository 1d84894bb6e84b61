import { describe, expect, it } from 'vitest';

import { aggregate, type Aggregated, AggregationRule, aggregationsOf, isAggregated, parseConfig } from '#core';

import { agentEvent } from '../control-plane/stream/kit.ts';

const fail = (type: string, error: unknown): never => {
  throw new Error(`${type} failed`, { cause: error });
};

const ruleOf = (input: object): AggregationRule => parseConfig(AggregationRule, input, 'rule');

/** What stands for how many events, in order. */
const counts = (told: readonly Aggregated[]): number[] =>
  told.map((one) => (isAggregated(one) ? one.events.length : 1));

const payloads = (told: readonly Aggregated[]): unknown[] => told.filter(isAggregated).map(({ payload }) => payload);

describe('many uses of tools', () => {
  it('L20: are one summary with counts by tool, success and error, and a range of time', () => {
    const events = [
      agentEvent({ tool: 'Bash' }),
      agentEvent({ tool: 'Bash' }, { 'agent.verdict': 'deny' }),
      agentEvent({ tool: 'Read' }),
      agentEvent({ tool: 'Bash', more: { success: false } }),
      agentEvent({ tool: 'Read', response: { success: true } }),
    ].map((event, index) => ({ ...event, time: Date.UTC(2026, 0, 1, 0, 0, index) }));
    const told = aggregate(events, aggregationsOf([]), fail);
    expect(counts(told)).toEqual([5]);
    expect(told[0]).toMatchObject({ type: 'agent.pre-tool-use', session: 'session-1', agent: '' });
    expect(payloads(told)).toEqual([
      {
        aggregated_count: 5,
        tool_usage_summary: {
          Bash: { count: 3, success_count: 1, error_count: 2 },
          Read: { count: 2, success_count: 2, error_count: 0 },
        },
        time_range: { start: '2026-01-01T00:00:00.000Z', end: '2026-01-01T00:00:04.000Z' },
      },
    ]);
  });

  it('L20: are never counted with those of another agent, session, pod, node or type', () => {
    const twice = (make: () => ReturnType<typeof agentEvent>) => [make(), make()];
    const events = [
      ...twice(() => agentEvent({ agent: 'a', session: 's' })),
      ...twice(() => agentEvent({ agent: 'b', session: 's' })),
      ...twice(() => agentEvent({ agent: 'a', session: 't' })),
      ...twice(() => agentEvent({ agent: 'a', session: 's', name: 'PostToolUse' })),
      ...twice(() => agentEvent({ agent: 'a', session: 's', name: 'PostToolUseFailure' })),
      ...twice(() => ({ ...agentEvent({ agent: 'a', session: 's' }), node: 'node-2' })),
      ...twice(() => agentEvent({ agent: 'a', session: 's' }, { 'agent.pod': 'p' })),
    ];
    const told = aggregate([...events, ...events.map((event) => ({ ...event }))], aggregationsOf([]), fail);
    expect(counts(told)).toEqual(Array(7).fill(4));
    for (const one of told.filter(isAggregated))
      for (const key of ['agent.id', 'agent.session', 'agent.pod'])
        expect(new Set(one.events.map(({ attributes }) => attributes[key])).size).toBe(1);
  });

  it('stay themselves when they are alone, or of a type without a rule', () => {
    const events = [agentEvent(), agentEvent({ name: 'Stop' }), agentEvent({ name: 'Stop' })];
    expect(aggregate(events, aggregationsOf([]), fail)).toEqual(events);
    expect(aggregate([agentEvent(), agentEvent()], aggregationsOf([], false), fail)).toHaveLength(2);
  });
});

describe('a rule', () => {
  const notifications = ['b', 'a', 'b', 'b'].map((text, index) =>
    agentEvent({ name: 'Notification', text, cwd: `/${index % 3}` }, { 'agent.big': 2n ** 60n }),
  );

  it('L21: groups, counts, and tells the first, the last and each value', () => {
    const rule = ruleOf({
      types: ['agent.notification'],
      groupBy: ['agent.text'],
      first: ['agent.cwd'],
      last: ['agent.cwd', 'agent.big'],
      keep: ['agent.cwd', 'agent.missing'],
    });
    const big = String(2n ** 60n);
    expect(payloads(aggregate(notifications, aggregationsOf([rule]), fail))).toMatchObject([
      {
        aggregated_count: 4,
        groups: [
          {
            count: 3,
            by: { 'agent.text': 'b' },
            first: { 'agent.cwd': '/0' },
            last: { 'agent.cwd': '/0', 'agent.big': big },
            keep: { 'agent.cwd': ['/0', '/2'], 'agent.missing': [] },
          },
          { count: 1, by: { 'agent.text': 'a' }, first: { 'agent.cwd': '/1' } },
        ],
      },
    ]);
  });

  it('L21: of a document takes the place of the one for tools', () => {
    const rules = aggregationsOf([ruleOf({ types: ['agent.pre-tool-use'], keep: ['agent.tool'] })]);
    expect(payloads(aggregate([agentEvent(), agentEvent()], rules, fail))).toMatchObject([
      { groups: [{ count: 2, by: {}, keep: { 'agent.tool': ['Bash'] } }] },
    ]);
  });

  it('L21: may be a function', () => {
    const rules = new Map([['agent.notification', (events: readonly unknown[]) => ({ heard: events.length })]]);
    expect(payloads(aggregate(notifications, rules, fail))).toEqual([{ heard: 4 }]);
  });

  it('L21: that fails leaves the events as they are, and the others their rules', () => {
    const failed: string[] = [];
    const rules = new Map(aggregationsOf([]));
    rules.set('agent.notification', () => {
      throw new Error('no');
    });
    const events = [...notifications, agentEvent(), agentEvent()];
    const told = aggregate(events, rules, (type) => failed.push(type));
    expect(told.slice(0, 4)).toEqual(notifications);
    expect(counts(told)).toEqual([1, 1, 1, 1, 2]);
    expect(failed).toEqual(['agent.notification']);
  });
});

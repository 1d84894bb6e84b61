/** Many events of one kind told as one (spec leanvibe B4, rows L20 and L21). */
import { objectOf } from './pointer.ts';
import type { Scalar, TrotlineEvent } from './event.ts';
import { type Infer, Type } from './schema.ts';

const attributes = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { default: [], maxItems: 16, description });

/** What a document says of how events of some types become one. */
export const AggregationRule = Type.Object(
  {
    types: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'Canonical event types: agent.notification.',
    }),
    groupBy: attributes('Attributes; events that agree in all of them are counted together.'),
    first: attributes('Attributes of which the first value is told.'),
    last: attributes('Attributes of which the last value is told.'),
    keep: attributes('Attributes of which every value is told, each once, 100 at most.'),
  },
  { additionalProperties: false },
);
export type AggregationRule = Infer<typeof AggregationRule>;

/** Of events of one type, agent and session, in their order, two or more: what is told in their place. */
export type Aggregation = (events: readonly TrotlineEvent[]) => Readonly<Record<string, unknown>>;

/** By canonical event type. */
export type Aggregations = ReadonlyMap<string, Aggregation>;

/** Several events as one. All of them are of one type, agent, session, node and pod. */
export interface AggregatedEvent {
  readonly type: string;
  readonly agent: string;
  readonly session: string;
  readonly events: readonly TrotlineEvent[];
  /** What the rule made of them. */
  readonly payload: Readonly<Record<string, unknown>>;
}

export type Aggregated = TrotlineEvent | AggregatedEvent;

export function isAggregated(one: Aggregated): one is AggregatedEvent {
  return 'payload' in one;
}

/**
 * In the place of the first of each kind what its rule makes of all of that kind; an event alone, or without a rule, stays
 * itself. Where a rule throws, `onFailure` is told and its events stay themselves.
 */
export function aggregate(
  events: readonly TrotlineEvent[],
  rules: Aggregations,
  onFailure: (type: string, error: unknown) => void,
): Aggregated[] {
  const aggregated: Aggregated[] = [];
  for (const kind of Map.groupBy(events, (event) => (rules.has(event.type) ? kindOf(event) : event.id)).values()) {
    const [first] = kind;
    const rule = first && kind.length > 1 ? rules.get(first.type) : undefined;
    if (!first || !rule) {
      aggregated.push(...kind);
      continue;
    }
    try {
      const agent = textIn(first, 'agent.id');
      const session = textIn(first, 'agent.session');
      aggregated.push({ type: first.type, agent, session, events: kind, payload: rule(kind) });
    } catch (error) {
      onFailure(first.type, error);
      aggregated.push(...kind);
    }
  }
  return aggregated;
}

/** Rules of a document, and for uses of tools, where the document has none, the original's. */
export function aggregationsOf(rules: readonly AggregationRule[], countTools = true): Aggregations {
  const tools: readonly string[] = countTools ? TOOL_TYPES : [];
  const own = rules.flatMap((rule) => rule.types.map((type) => [type, declared(rule)] as const));
  return new Map<string, Aggregation>([...tools.map((type) => [type, toolUse] as const), ...own]);
}

const TOOL_TYPES = ['agent.pre-tool-use', 'agent.post-tool-use', 'agent.post-tool-use-failure'];

export interface ToolCount {
  count: number;
  success_count: number;
  error_count: number;
}

/** The original's summary: uses of each tool, and from when to when. */
export const toolUse = (events: readonly TrotlineEvent[]) => ({
  aggregated_count: events.length,
  tool_usage_summary: toolCounts(events),
  time_range: timeRange(events),
});

export function toolCounts(events: readonly TrotlineEvent[]): Readonly<Record<string, ToolCount>> {
  const tools = new Map<string, ToolCount>();
  for (const event of events) {
    const tool = textIn(event, 'agent.tool');
    const counted = tools.get(tool) ?? { count: 0, success_count: 0, error_count: 0 };
    tools.set(tool, counted);
    counted.count++;
    if (isSuccess(event)) counted.success_count++;
    else counted.error_count++;
  }
  return Object.fromEntries(tools);
}

/** No: it failed, says so, or was denied. */
export function isSuccess({ type, attributes: said }: TrotlineEvent): boolean {
  return type !== 'agent.post-tool-use-failure' && said['agent.verdict'] !== 'deny' && said['agent.success'] !== false;
}

function timeRange(events: readonly TrotlineEvent[]): { readonly start: string; readonly end: string } {
  const times = events.map(({ time }) => time);
  return { start: new Date(Math.min(...times)).toISOString(), end: new Date(Math.max(...times)).toISOString() };
}

const MOST_KEPT = 100;

/** What a rule of a document does. */
function declared({ groupBy, first, last, keep }: AggregationRule): Aggregation {
  return (events) => {
    const groups = Map.groupBy(events, ({ attributes: said }) =>
      JSON.stringify(groupBy.map((name) => plain(said[name]))),
    );
    return {
      aggregated_count: events.length,
      time_range: timeRange(events),
      groups: [...groups.values()].map((group) => ({
        count: group.length,
        by: valuesOf(group[0], groupBy),
        first: valuesOf(group[0], first),
        last: valuesOf(group.at(-1), last),
        keep: Object.fromEntries(keep.map((name) => [name, distinct(group, name)])),
      })),
    };
  };
}

function valuesOf(event: TrotlineEvent | undefined, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, plain(event?.attributes[name])]));
}

function distinct(events: readonly TrotlineEvent[], name: string): (string | number | boolean | null)[] {
  const values = new Set(events.map(({ attributes: said }) => plain(said[name])));
  values.delete(null);
  return [...values].slice(0, MOST_KEPT);
}

function plain(value: Scalar | undefined): string | number | boolean | null {
  return typeof value === 'bigint' ? value.toString() : (value ?? null);
}

/** Nobody's events are counted with those of another. */
function kindOf({ type, node, namespace, attributes: said }: TrotlineEvent): string {
  const { 'agent.id': agent, 'agent.session': session, 'agent.pod': pod } = objectOf(said);
  return JSON.stringify([type, node, namespace, pod, agent, session]);
}

function textIn({ attributes: said }: TrotlineEvent, name: string): string {
  const value = said[name];
  return typeof value === 'string' ? value : '';
}

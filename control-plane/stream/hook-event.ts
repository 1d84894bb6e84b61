/** Agent events in LeanVibe's form (spec leanvibe B1): what the live stream, Redis and the webhooks of others read. */
import { HOOK_BYPASSED, objectOf, type Scalar, SESSION_EXPIRED, textOf, type TrotlineEvent } from '#core';

/** The original's eight keys, and the id by which the event is found again. Times are ISO 8601 in UTC. */
export interface HookEvent {
  /** `PreToolUse`; unknown ones as the runtime names them. */
  readonly hook_type: string;
  /** '' where the runtime does not say. */
  readonly agent_id: string;
  readonly session_id: string | null;
  readonly timestamp: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly correlation_id: string | null;
  /** 1 is most urgent, 10 least. */
  readonly priority: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** As `trotline events show` takes it. */
  readonly event_id: string;
}

export const DEFAULT_PRIORITY = 5;

/** What the source tells by itself has names in the manner of the others. */
const OWN_NAMES: Readonly<Record<string, string>> = {
  [HOOK_BYPASSED]: 'HookBypassed',
  [SESSION_EXPIRED]: 'SessionExpired',
};

/** Attribute → key, in the order in which they are shown. */
const PAYLOAD: readonly (readonly [attribute: string, key: string])[] = [
  ['agent.tool', 'tool_name'],
  ['agent.input', 'parameters'],
  ['agent.response', 'result'],
  ['agent.text', 'message'],
  ['agent.command', 'command'],
  ['agent.path', 'path'],
  ['agent.url', 'url'],
  ['agent.cwd', 'cwd'],
  ['agent.tool_use_id', 'tool_use_id'],
  ['agent.cause', 'cause'],
  ['agent.unasked', 'unasked'],
];

const METADATA: readonly (readonly [attribute: string, key: string])[] = [
  ['agent.verdict', 'verdict'],
  ['agent.reason', 'reason'],
  ['agent.risk', 'risk'],
  ['agent.asked', 'asked'],
  ['agent.hook', 'hook'],
  ['agent.dialect', 'dialect'],
  ['agent.type', 'agent_type'],
  ['agent.parent', 'parent_agent_id'],
  ['agent.pod', 'pod'],
  ['agent.paired', 'paired'],
  ['agent.truncated', 'truncated'],
];

export function isAgentEvent({ source }: Pick<TrotlineEvent, 'source'>): boolean {
  return source === 'agent';
}

/** Of an event of the source `agent`. */
export function hookEvent({ id, type, time, node, namespace, attributes }: TrotlineEvent): HookEvent {
  const text = (name: string): string => textOf(attributes[name]);
  const decidedMs = decidedIn(attributes);
  return {
    hook_type: OWN_NAMES[type] ?? text('agent.event'),
    agent_id: text('agent.id'),
    session_id: text('agent.session') || null,
    timestamp: new Date(time).toISOString(),
    payload: picked(attributes, PAYLOAD),
    correlation_id: text('agent.correlation') || null,
    priority: priorityIn(attributes),
    metadata: {
      type,
      node,
      ...(namespace === '' ? {} : { namespace }),
      ...picked(attributes, METADATA),
      ...(decidedMs === null ? {} : { processing_time_ms: decidedMs }),
    },
    event_id: id,
  };
}

/** 1 to 10; the original's default where the event says nothing. */
export function priorityIn(attributes: TrotlineEvent['attributes']): number {
  const priority = attributes['agent.priority'];
  return typeof priority === 'number' ? priority : DEFAULT_PRIORITY;
}

/** How long the hooks took to judge, milliseconds; null: they were not asked. */
export function decidedIn(attributes: TrotlineEvent['attributes']): number | null {
  const micros = attributes['agent.decided_us'];
  return typeof micros === 'number' ? micros / 1000 : null;
}

function picked(attributes: TrotlineEvent['attributes'], keys: typeof PAYLOAD): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [attribute, key] of keys) {
    const value = attributes[attribute];
    if (value !== undefined) found[key] = attribute === 'agent.input' ? parsed(value) : plain(value);
  }
  return found;
}

/** The tool's input as the object that it was; as text where it was cut. */
function parsed(value: Scalar): unknown {
  try {
    return objectOf(JSON.parse(String(value)));
  } catch {
    return plain(value);
  }
}

function plain(value: Scalar): string | number | boolean {
  return typeof value === 'bigint' ? value.toString() : value;
}

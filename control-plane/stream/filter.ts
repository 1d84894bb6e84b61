/** Which agent events a reader of the live stream wants (spec leanvibe B5, row L23). */
import { type Infer, parseConfig, Type } from '#core';

import type { HookEvent } from './hook-event.ts';

const names = (description: string) =>
  Type.Optional(Type.Array(Type.String({ maxLength: 512 }), { maxItems: 1000, description }));

/** All keys must hold. A list that is there and empty passes nothing. */
export const StreamFilter = Type.Object(
  {
    agent_ids: names('Only events of these agents.'),
    hook_types: names('Only these, by wire name: PreToolUse.'),
    session_ids: names('Only these sessions, and events without one.'),
    min_priority: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10, description: 'The least urgent that passes: 3 passes 1 to 3.' }),
    ),
  },
  { additionalProperties: false },
);
export type StreamFilter = Infer<typeof StreamFilter>;

/** Throws a ConfigError that names every key that is none. */
export function parseFilter(input: unknown, source: string): StreamFilter {
  return parseConfig(StreamFilter, input, source);
}

/** `?agent_ids=a,b&min_priority=3`: lists with commas or repeated; `?agent_ids=` is an empty one. */
export function filterIn(query: URLSearchParams): StreamFilter {
  const keys = [...new Set(query.keys())];
  return parseFilter(Object.fromEntries(keys.map((key) => [key, queryValue(key, query.getAll(key))])), 'query');
}

function queryValue(key: string, values: readonly string[]): unknown {
  if (key !== 'min_priority') return values.flatMap((value) => value.split(',')).filter((name) => name !== '');
  const [value = ''] = values;
  return values.length === 1 && /^\d{1,3}$/.test(value) ? Number(value) : values.join(',');
}

/** The most urgent always pass `min_priority`. */
export function passes({ agent_ids, hook_types, session_ids, min_priority }: StreamFilter, event: HookEvent): boolean {
  if (agent_ids && !agent_ids.includes(event.agent_id)) return false;
  if (hook_types && !hook_types.includes(event.hook_type)) return false;
  if (session_ids && !inSessions(session_ids, event.session_id)) return false;
  return min_priority === undefined || event.priority <= min_priority;
}

function inSessions(sessions: readonly string[], session: string | null): boolean {
  return sessions.length > 0 && (session === null || sessions.includes(session));
}

import { didYouMean, HOOK_TYPES, type HookType, isObject, textOf } from '#core/light';

import { plainJson, plainObject } from './json.ts';

export type Parameters = Readonly<Record<string, unknown>>;

/** One thing that an agent is about to do or has done (spec leanvibe B1). */
export interface HookEvent {
  readonly hookType: HookType;
  readonly agent?: string;
  readonly session?: string;
  /** `tool_name` and `parameters` of a tool, `message` of a notification, `reason` of a stop; any other key as it is. */
  readonly payload?: Parameters;
  /** What belongs together: a Pre and its Post have the same. */
  readonly correlation?: string;
  /** 1 is most urgent, 10 least. Default: PreToolUse and PostToolUse 3, Stop 2, Error 1, others 5. */
  readonly priority?: number;
  readonly metadata?: Parameters;
}

/** The event in the neutral form. Throws `TypeError` with the place and what was expected there. */
export function wireForm(event: HookEvent): Parameters {
  const { hookType, agent, session, payload = {}, correlation, priority, metadata } = event;
  if (!HOOK_TYPES.some((known) => known === hookType))
    throw wrong('hookType', hookType, `one of ${HOOK_TYPES.join(', ')}${didYouMean(textOf(hookType), HOOK_TYPES)}`);
  if (!isObject(payload)) throw wrong('payload', payload, 'an object');
  if (metadata !== undefined && !isObject(metadata)) throw wrong('metadata', metadata, 'an object');
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 1 && priority <= 10))
    throw wrong('priority', priority, '1 (most urgent) to 10');
  for (const [name, value] of Object.entries({ agent, session, correlation }))
    if (value !== undefined && typeof value !== 'string') throw wrong(name, value, 'text');
  return {
    hook_type: hookType,
    agent_id: agent ?? null,
    session_id: session ?? null,
    timestamp: new Date().toISOString(),
    payload: plainObject(payload),
    correlation_id: correlation ?? null,
    ...(priority === undefined ? {} : { priority }),
    ...(metadata === undefined ? {} : { metadata: plainObject(metadata) }),
  };
}

function wrong(name: string, value: unknown, expected: string): TypeError {
  const shown = JSON.stringify(plainJson(value))?.slice(0, 80) ?? 'undefined';
  return new TypeError(`${name} is ${shown}, expected ${expected}`);
}

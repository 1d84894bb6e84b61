import { type Decision, isObject, type Risk, textOf } from '#core/light';

import type { Parameters } from './event.ts';

/** What the node says of an event (spec leanvibe L2). */
export interface HookResult {
  /** It was heard, and nothing speaks against going on. */
  readonly success: boolean;
  /** Whether what it asks about may happen: not after `deny`, `ask` or `stop`, and without an answer as `onFailure` says. */
  readonly proceed: boolean;
  readonly processingTimeMs: number;
  /** Why there was no answer; null when there was one. */
  readonly error: string | null;
  /** Null: no hook has an opinion. `ask`: a person is to be asked, by whoever runs the agent. */
  readonly decision: Decision | null;
  /** Why it was not allowed; null where it was. */
  readonly reason: string | null;
  /** Of the event in history, stream and traces; null where it was not heard. */
  readonly eventId: string | null;
  readonly risk: Risk | null;
  /** The tool's input in place of the agent's. */
  readonly updatedInput: Parameters | null;
  /** For the agent to know. */
  readonly context: string | null;
  /** For the agent's user. */
  readonly message: string | null;
  /** The agent is to end, for this reason. */
  readonly stop: string | null;
}

export type OnFailure = 'open' | 'closed';

const NOTHING = {
  error: null,
  decision: null,
  reason: null,
  eventId: null,
  risk: null,
  updatedInput: null,
  context: null,
  message: null,
  stop: null,
} as const;

/** Of hooks that are switched off. */
export const DISABLED: HookResult = { ...NOTHING, success: true, proceed: true, processingTimeMs: 0 };

/** Nobody answered. */
export function failure(error: string, onFailure: OnFailure, processingTimeMs: number): HookResult {
  const lost = { ...NOTHING, success: false, processingTimeMs, error };
  if (onFailure === 'open') return { ...lost, proceed: true };
  return { ...lost, proceed: false, decision: 'deny', reason: `${error} (onFailure: closed)` };
}

const DECISIONS: ReadonlyMap<unknown, Decision | null> = new Map<unknown, Decision | null>([
  [null, null],
  ['ALLOW', 'allow'],
  ['REQUIRE_APPROVAL', 'ask'],
  ['DENY', 'deny'],
]);
const RISKS: ReadonlyMap<unknown, Risk> = new Map(
  (['SAFE', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const).map((risk) => [risk, risk]),
);

/** The neutral answer. Throws `TypeError` for what is none: that is no consent. */
export function parseAnswer(answer: unknown, processingTimeMs: number): HookResult {
  if (!isObject(answer)) throw wrong('', answer, 'an object');
  const decision = DECISIONS.get(answer.security_decision);
  if (decision === undefined)
    throw wrong('/security_decision', answer.security_decision, 'null, ALLOW, REQUIRE_APPROVAL or DENY');
  if (typeof answer.event_id !== 'string') throw wrong('/event_id', answer.event_id, 'text');
  if (answer.updated_input !== undefined && !isObject(answer.updated_input))
    throw wrong('/updated_input', answer.updated_input, 'an object');
  const stop = given(answer.stop_reason);
  const proceed = (decision === null || decision === 'allow') && stop === null;
  return {
    success: proceed,
    proceed,
    processingTimeMs,
    error: null,
    decision,
    reason: textOf(answer.blocked_reason) || stop,
    eventId: answer.event_id,
    risk: RISKS.get(answer.risk_level) ?? null,
    updatedInput: answer.updated_input ?? null,
    context: given(answer.additional_context),
    message: given(answer.message),
    stop,
  };
}

function given(value: unknown): string | null {
  return textOf(value) || null;
}

function wrong(path: string, value: unknown, expected: string): TypeError {
  return new TypeError(
    `the answer${path} is ${(JSON.stringify(value) ?? 'undefined').slice(0, 80)}, expected ${expected}`,
  );
}

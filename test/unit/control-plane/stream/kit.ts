/** Agent events as the control plane stores them. */
import { type AgentCall, agentDraft, type Attributes, type TrotlineEvent } from '#core';

import { eventOf } from '../../../kit/action-context.ts';
import { callOf } from '../../../kit/agent-call.ts';

export const AT = Date.UTC(2026, 10, 27, 12, 0, 0);
let count = 0;

/** `more`: attributes that the source adds, `agent.verdict` and its like. */
export function agentEvent(call: Partial<AgentCall> = {}, more: Attributes = {}, id = `agent-l1-${++count}`) {
  const draft = agentDraft(callOf({ input: { command: 'ls' }, ...call }), AT);
  const event: TrotlineEvent = eventOf({
    ...draft,
    id,
    source: 'agent',
    attributes: { ...draft.attributes, ...more },
  });
  return event;
}

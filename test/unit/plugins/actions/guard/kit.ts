/** A guard with a clock of its own, and agents' calls to judge. */
import { type ActionContext, type AgentCall, agentDraft, type Asked, type Judgment, parseConfig } from '#core';

import { guard } from '../../../../../plugins/actions/guard/index.ts';
import { actionContext, eventOf, manualClock } from '../../../../kit/action-context.ts';
import { callOf } from '../../../../kit/agent-call.ts';

export const ASKED: Asked = {
  hook: 'trotline/guard',
  deliveryId: 'd-0123456789abcdef',
  signal: new AbortController().signal,
};

export interface Guard {
  readonly clock: ReturnType<typeof manualClock>;
  judge(command: string): Promise<Judgment>;
  judgeCall(parts: Partial<AgentCall>): Promise<Judgment>;
}

export function guardOf(options: object = {}, context: Partial<ActionContext> = {}): Guard {
  const clock = manualClock();
  const config = parseConfig(guard.config, options, 'guard');
  const action = guard.create(config, { ...actionContext(), clock, ...context });
  const started = Promise.resolve(action.start?.(new AbortController().signal));
  started.catch(() => undefined);
  const judgeCall = async (parts: Partial<AgentCall>): Promise<Judgment> => {
    await started;
    const call = callOf(parts);
    const event = eventOf({ ...agentDraft(call, 0), source: 'agent' });
    const judgment = await action.judge?.({ event, call }, ASKED);
    if (!judgment) throw new Error('the guard does not judge');
    return judgment;
  };
  return { clock, judgeCall, judge: (command) => judgeCall({ input: { command } }) };
}

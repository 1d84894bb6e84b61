/** The neutral form: LeanVibe's hook event and its result (spec leanvibe B1, L1, L2). */
import { AppError, HOOK_TYPES, isObject, textOf } from '#core';

import { type Body, needed, record, rest, text, wrong } from '../../../bodies.ts';
import { priorityOf, refusalOf } from '../../../claude-form.ts';
import type { Dialect } from './dialect.ts';

const WORDS = { allow: 'ALLOW', ask: 'REQUIRE_APPROVAL', deny: 'DENY' } as const;

export const neutral: Dialect = {
  name: 'neutral',
  speaks: (body) => 'hook_type' in body,
  read(body) {
    const name = needed(body, 'hook_type');
    if (!HOOK_TYPES.some((known) => known === name)) throw wrong('/hook_type', name, `one of ${HOOK_TYPES.join(', ')}`);
    const payload = record(body, 'payload');
    const { parameters = payload.tool_input } = payload;
    const input = isObject(parameters) ? parameters : {};
    const command = textOf(payload.command);
    return {
      name,
      session: text(body, 'session_id'),
      agent: text(body, 'agent_id'),
      parentAgent: textOf(payload.parent_agent_id),
      agentType: textOf(payload.agent_type),
      tool: textOf(payload.tool_name) || (command === '' ? '' : 'command'),
      toolUseId: textOf(payload.tool_use_id) || text(body, 'correlation_id'),
      input: command === '' ? input : { ...input, command },
      response: payload.result ?? payload.error,
      cwd: textOf(payload.cwd),
      text: textOf(payload.message) || textOf(payload.reason),
      priority: priorityIn(body) ?? priorityOf(name),
      correlation: text(body, 'correlation_id'),
      more: {
        ...rest(payload, 'tool_name', 'parameters', 'tool_input', 'command', 'cwd', 'tool_use_id', 'result'),
        ...(isObject(body.metadata) ? { metadata: body.metadata } : {}),
      },
    };
  },
  answer: ({ decision, reason, risk, updatedInput, context, message, stop }, _call, { eventId, tookMs }) => ({
    success: decision !== 'deny' && decision !== 'ask',
    processing_time_ms: Math.round(tookMs * 1000) / 1000,
    error: null,
    security_decision: decision === null ? null : WORDS[decision],
    blocked_reason: decision === 'deny' || decision === 'ask' ? refusalOf({ reason }) : null,
    event_id: eventId,
    risk_level: risk ?? null,
    ...(updatedInput === undefined ? {} : { updated_input: updatedInput }),
    ...(context === undefined ? {} : { additional_context: context }),
    ...(message === undefined ? {} : { message }),
    ...(stop === undefined ? {} : { stop_reason: stop }),
  }),
  // For scripts that ask: `trotline-hook --dialect neutral || exit`.
  blocksByExit: ({ decision, stop }) => decision === 'deny' || decision === 'ask' || stop !== undefined,
  asksItself: () => false,
  patienceMs: 600_000,
};

function priorityIn({ priority }: Body): number | null {
  if (priority === undefined || priority === null) return null;
  if (typeof priority === 'number' && Number.isInteger(priority) && priority >= 1 && priority <= 10) return priority;
  throw new AppError('MESSAGE_INVALID', `/priority is ${JSON.stringify(priority)}, expected 1 (most urgent) to 10`);
}

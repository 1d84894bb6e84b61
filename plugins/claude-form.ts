/**
 * The JSON of Claude Code's hooks, both ways (spec khook section 10): agents ask in it, and judges that are programs or
 * endpoints are asked in it, whatever runtime the agent has.
 */
import {
  type AgentCall,
  AppError,
  type Decision,
  isObject,
  type Judgment,
  strictest,
  textOf,
  type Verdict,
} from '#core';

import { type Body, needed, record, rest, text } from './bodies.ts';

type Heard = Omit<AgentCall, 'peer' | 'truncated' | 'dialect'>;

/** Where an event has its words. */
const TEXT_KEYS = ['prompt', 'message', 'reason', 'trigger', 'source', 'error'];
const CALL_KEYS = [
  'hook_event_name',
  'session_id',
  'agent_id',
  'parent_agent_id',
  'agent_type',
  'tool_name',
  'tool_use_id',
  'tool_input',
  'tool_response',
  'cwd',
];
/** Default priorities (spec leanvibe L3). */
const PRIORITIES: Readonly<Record<string, number>> = { PreToolUse: 3, PostToolUse: 3, Stop: 2, Error: 1 };

export function priorityOf(name: string): number {
  return PRIORITIES[name] ?? 5;
}

/** Throws MESSAGE_INVALID. */
export function claudeCall(body: Body): Heard {
  const name = needed(body, 'hook_event_name');
  const tool = text(body, 'tool_name');
  const word = TEXT_KEYS.map((key) => textOf(body[key])).find((found) => found !== '') ?? '';
  return {
    name,
    session: text(body, 'session_id'),
    agent: text(body, 'agent_id'),
    parentAgent: text(body, 'parent_agent_id'),
    agentType: text(body, 'agent_type'),
    tool,
    toolUseId: text(body, 'tool_use_id'),
    input: record(body, 'tool_input'),
    response: body.tool_response,
    cwd: text(body, 'cwd'),
    text: word,
    priority: priorityOf(name),
    correlation: text(body, 'tool_use_id'),
    more: rest(body, ...CALL_KEYS),
  };
}

/** What a program gets on its stdin and an endpoint in the request. */
export function claudeForm(call: AgentCall): Body {
  return {
    ...call.more,
    session_id: call.session,
    cwd: call.cwd,
    hook_event_name: call.name,
    ...given('agent_id', call.agent),
    ...given('parent_agent_id', call.parentAgent),
    ...given('agent_type', call.agentType),
    ...(call.tool === '' ? {} : { tool_name: call.tool, tool_input: call.input }),
    ...given('tool_use_id', call.toolUseId),
    ...(call.response === undefined ? {} : { tool_response: call.response }),
    ...('prompt' in call.more || call.name !== 'UserPromptSubmit' ? {} : given('prompt', call.text)),
  };
}

function given(key: string, value: string): Body {
  return value === '' ? {} : { [key]: value };
}

/** Events at which a `decision: block` stops something. */
const BLOCKABLE = new Set([
  'PostToolUse',
  'PostToolUseFailure',
  'UserPromptSubmit',
  'UserPromptExpansion',
  'Stop',
  'SubagentStop',
  'PreCompact',
  'ConfigChange',
  'TaskCreated',
  'TaskCompleted',
  'TeammateIdle',
]);
/** Events that nothing can stop any more. */
const TOLD_ONLY = new Set(['SessionEnd', 'Notification', 'PostCompact', 'AgentStop', 'Error']);
/** Events whose answer may add to what the agent knows. */
const WITH_CONTEXT = new Set([
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'UserPromptSubmit',
  'SessionStart',
  'SubagentStart',
  'Setup',
  'Notification',
]);

/** The verdict as Claude Code reads it; an empty object where there is nothing to say. */
export function claudeAnswer(verdict: Verdict, call: Pick<AgentCall, 'name'>): Body {
  const { name } = call;
  const specific = { ...specificOf(verdict, name), ...contextOf(verdict, name) };
  const answer: Record<string, unknown> = {};
  if (Object.keys(specific).length > 0) answer.hookSpecificOutput = { hookEventName: name, ...specific };
  if (verdict.message !== undefined) answer.systemMessage = verdict.message;
  if (verdict.stop !== undefined) Object.assign(answer, { continue: false, stopReason: verdict.stop });
  if (name === 'PreToolUse' || name === 'PermissionRequest') return answer;
  if (verdict.decision === 'deny') Object.assign(answer, blocked(name, refusalOf(verdict)));
  return answer;
}

/** Why something does not happen: never nothing. */
export function refusalOf({ reason }: Pick<Verdict, 'reason'>): string {
  return reason || 'refused by a hook';
}

function blocked(name: string, reason: string): Body {
  if (TOLD_ONLY.has(name)) return { systemMessage: reason };
  return BLOCKABLE.has(name) ? { decision: 'block', reason } : { continue: false, stopReason: reason };
}

function specificOf(verdict: Verdict, name: string): Body {
  const { decision, updatedInput } = verdict;
  const reason = decision === 'deny' || decision === 'ask' ? refusalOf(verdict) : verdict.reason;
  if (name === 'PreToolUse') {
    const decided = decision === null ? {} : { permissionDecision: decision, permissionDecisionReason: reason };
    return updatedInput === undefined ? decided : { ...decided, updatedInput };
  }
  if (name !== 'PermissionRequest' || decision === null || decision === 'ask') return {};
  if (decision === 'deny') return { decision: { behavior: 'deny', message: reason } };
  return { decision: { behavior: 'allow', ...(updatedInput === undefined ? {} : { updatedInput }) } };
}

function contextOf({ context }: Verdict, name: string): Body {
  return context === undefined || !WITH_CONTEXT.has(name) ? {} : { additionalContext: context };
}

const DECISIONS: ReadonlyMap<unknown, Decision> = new Map<unknown, Decision>([
  ['allow', 'allow'],
  ['approve', 'allow'],
  ['ask', 'ask'],
  ['deny', 'deny'],
  ['block', 'deny'],
]);

/**
 * A judge's answer in Claude Code's or claude-command's form. Throws MESSAGE_INVALID for what is none: a judge that cannot be
 * understood is broken, it has not allowed anything.
 */
export function claudeJudgment(answer: unknown): Judgment {
  if (!isObject(answer))
    throw new AppError('MESSAGE_INVALID', `the answer is ${shown(answer)}, expected a JSON object`);
  const specific = record(answer, 'hookSpecificOutput');
  const permission = isObject(specific.decision) ? specific.decision : {};
  const words = [specific.permissionDecision, permission.behavior, answer.decision].filter(isSaid);
  const updatedInput = [specific.updatedInput, permission.updatedInput].find(isObject);
  const context = text(specific, 'additionalContext');
  const message = text(answer, 'systemMessage');
  const reasons = [specific.permissionDecisionReason, permission.message, answer.reason];
  return {
    decision: words.map(decisionOf).reduce<Decision | null>(strictest, null),
    reason: reasons.map(textOf).find((reason) => reason !== '') ?? '',
    ...(updatedInput === undefined ? {} : { updatedInput }),
    ...(context === '' ? {} : { context }),
    ...(message === '' ? {} : { message }),
    ...(answer.continue === false ? { stop: textOf(answer.stopReason) || 'stopped by a hook' } : {}),
  };
}

function isSaid(word: unknown): boolean {
  return word !== undefined && word !== null;
}

function decisionOf(word: unknown): Decision {
  const decision = DECISIONS.get(word);
  if (decision === undefined)
    throw new AppError('MESSAGE_INVALID', `decision ${shown(word)}, expected ${[...DECISIONS.keys()].join(', ')}`);
  return decision;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

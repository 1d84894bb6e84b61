/** Gemini CLI (its hooks reference): events of other names, `decision` at the top, no way to ask its user. */
import type { Verdict } from '#core';

import type { Body } from '../../../bodies.ts';
import { claudeCall, priorityOf, refusalOf } from '../../../claude-form.ts';
import type { Dialect } from './dialect.ts';

/** Its names for what others tell, too; what is not here is heard as itself. */
const NAMES: Readonly<Record<string, string>> = {
  BeforeTool: 'PreToolUse',
  AfterTool: 'PostToolUse',
  BeforeAgent: 'UserPromptSubmit',
  AfterAgent: 'Stop',
  PreCompress: 'PreCompact',
};
const OWN = new Set([...Object.keys(NAMES), 'BeforeModel', 'AfterModel', 'BeforeToolSelection']);
/** Events whose `decision` it ignores. */
const ADVISORY = new Set(['SessionStart', 'SessionEnd', 'Notification', 'PreCompact', 'BeforeToolSelection']);
const WITH_CONTEXT: Readonly<Record<string, string>> = {
  PostToolUse: 'AfterTool',
  UserPromptSubmit: 'BeforeAgent',
  SessionStart: 'SessionStart',
};

export const geminiCli: Dialect = {
  name: 'gemini-cli',
  speaks: (body) => typeof body.hook_event_name === 'string' && OWN.has(body.hook_event_name),
  read(body) {
    const heard = claudeCall(body);
    const name = NAMES[heard.name] ?? heard.name;
    return { ...heard, name, priority: priorityOf(name) };
  },
  answer: (verdict, { name }) => ({ ...decided(verdict, name), ...specific(verdict, name), ...common(verdict) }),
  blocksByExit: () => false,
  asksItself: () => false,
  patienceMs: 60_000,
};

/** It has no word for a question: what nobody could be asked about does not happen. */
function decided(verdict: Verdict, name: string): Body {
  const { decision, reason } = verdict;
  if (decision === null) return {};
  if (ADVISORY.has(name)) return decision === 'allow' || reason === '' ? {} : { systemMessage: reason };
  return decision === 'allow' ? { decision: 'allow' } : { decision: 'deny', reason: refusalOf(verdict) };
}

function specific({ updatedInput, context }: Verdict, name: string): Body {
  const event = name === 'PreToolUse' ? 'BeforeTool' : WITH_CONTEXT[name];
  if (event === undefined) return {};
  const parts = {
    ...(name === 'PreToolUse' && updatedInput !== undefined ? { tool_input: updatedInput } : {}),
    ...(name !== 'PreToolUse' && context !== undefined ? { additionalContext: context } : {}),
  };
  return Object.keys(parts).length === 0 ? {} : { hookSpecificOutput: { hookEventName: event, ...parts } };
}

function common({ message, stop }: Verdict): Body {
  return {
    ...(message === undefined ? {} : { systemMessage: message }),
    ...(stop === undefined ? {} : { continue: false, stopReason: stop }),
  };
}

/** kagent's claude-command form: Claude Code's question, an answer of its own (spec khook section 10). */
import type { Verdict } from '#core';

import type { Body } from '../../../bodies.ts';
import { claudeCall, refusalOf } from '../../../claude-form.ts';
import type { Dialect } from './dialect.ts';

export const kagent: Dialect = {
  name: 'kagent',
  speaks: () => false,
  read: claudeCall,
  answer: (verdict, { name }) => (name === 'PreToolUse' ? decided(verdict) : {}),
  // Its JSON has a decision for PreToolUse alone.
  blocksByExit: (verdict, { name }) => name !== 'PreToolUse' && (isRefused(verdict) || verdict.stop !== undefined),
  asksItself: () => false,
  patienceMs: 60_000,
};

/** It has no word for the end of the agent, nor for another input: what was allowed with that one does not run with its own. */
function decided(verdict: Verdict): Body {
  if (verdict.stop !== undefined) return { decision: 'block', reason: verdict.stop };
  if (isRefused(verdict)) return { decision: 'block', reason: refusalOf(verdict) };
  if (verdict.updatedInput !== undefined)
    return { decision: 'block', reason: 'a hook has rewritten the input, and kagent can only run its own' };
  return verdict.decision === null ? {} : { decision: 'approve', ...given(verdict) };
}

function given({ reason }: Verdict): Body {
  return reason === '' ? {} : { reason };
}

function isRefused({ decision }: Verdict): boolean {
  return decision === 'deny' || decision === 'ask';
}

/** kagent's claude-command form: Claude Code's question, an answer of its own (spec khook section 10). */
import { claudeCall } from '../../../claude-form.ts';
import type { Dialect } from './dialect.ts';

const WORDS = { allow: 'approve', ask: 'block', deny: 'block' } as const;

export const kagent: Dialect = {
  name: 'kagent',
  speaks: () => false,
  read: claudeCall,
  answer: ({ decision, reason }, { name }) =>
    name !== 'PreToolUse' || decision === null
      ? {}
      : { decision: WORDS[decision], ...(reason === '' ? {} : { reason }) },
  // Its JSON has a decision for PreToolUse alone.
  blocksByExit: ({ decision }, { name }) => name !== 'PreToolUse' && (decision === 'deny' || decision === 'ask'),
  asksItself: () => false,
  patienceMs: 60_000,
};

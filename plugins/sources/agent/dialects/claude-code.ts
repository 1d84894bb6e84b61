/** Claude Code, `type: http` and `type: command`: the same JSON both ways (spec khook section 10). */
import { claudeAnswer, claudeCall } from '../../../claude-form.ts';
import type { Dialect } from './dialect.ts';

/** Where the user is asked when told so; elsewhere `ask` has no form. */
const ASKS = new Set(['PreToolUse', 'PermissionRequest']);

export const claudeCode: Dialect = {
  name: 'claude-code',
  speaks: (body) => 'hook_event_name' in body,
  read: claudeCall,
  answer: claudeAnswer,
  blocksByExit: () => false,
  asksItself: ({ name }) => ASKS.has(name),
  patienceMs: 600_000,
};

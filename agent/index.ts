/** `trotline/agent`: hooks for agents written in TypeScript. See docs/agents.md. */
export { type Connection } from './client.ts';
export { hookContext, HookDenied, type OperationOptions } from './context.ts';
export {
  type HelperOptions,
  type HookEvent,
  type HookResult,
  Hooks,
  type HooksOptions,
  type Priority,
  type SecurityDecision,
} from './hooks.ts';
export { type Hooked, withHooks } from './orchestrator.ts';
export { HOOK_TYPES, type HookType } from '#core';

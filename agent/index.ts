/** What agents written in TypeScript import as `trotline/agent`. */
export { HookDenied } from './denied.ts';
export type { HookEvent, Parameters } from './event.ts';
export type { Acting, ContextOptions, HookedOrchestrator, Hooks, Stopped, Told, ToolResult, ToolUse } from './hooks.ts';
export { createHooks } from './node-hooks.ts';
export type { HooksOptions } from './options.ts';
export type { HookResult, OnFailure } from './result.ts';
export { HOOK_TYPES, type HookType } from '#core/light';

/** What an agent's own process may load of the core (`#core/light`): nothing here has a library behind it. */
export { HOOK_TYPES, type HookType } from './agent.ts';
export { errorText } from './errors.ts';
export { didYouMean } from './nearest.ts';
export { isObject, textOf } from './pointer.ts';
export type { Decision, Risk } from './verdict.ts';

import type { Hook } from '#core';

/**
 * The hook with the secrets of its actions' configurations filled in: the one place where that happens, right before a
 * push. No action takes a reference yet; everything that people see of a hook is made from the unresolved one.
 */
export function resolveSecrets(hook: Hook): Hook {
  return hook;
}

import { digestOf, type Hook, hookId, type Issue } from '#core';
import { convert, type HookSet } from '#proto';

import { resolveSecrets } from './secrets.ts';

/** The hooks as they go over the wire, for all sidecars. */
export interface PushedSet extends Omit<HookSet, 'nonce'> {
  /** Secrets that could not be read. */
  readonly problems: readonly Issue[];
}

/** Fills in secrets; an empty set says so. The version is a digest: equal versions mean equal sets. */
export function createPushedSet(hooks: readonly Hook[]): PushedSet {
  const resolved = hooks.map(resolveSecrets);
  return {
    version: digestOf(resolved.map(({ hook }) => [hookId(hook), hook.digest])),
    hooks: resolved.map(({ hook }) => convert.hookToProto(hook)),
    explicitlyEmpty: hooks.length === 0,
    problems: resolved.flatMap(({ problems }) => problems),
  };
}

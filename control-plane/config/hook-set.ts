import { digestOf, type Hook, hookId } from '#core';
import { convert, type HookSet } from '#proto';

import { resolveSecrets } from './secrets.ts';

/** One conversion for all sidecars; the key is a snapshot's list of hooks. */
const made = new WeakMap<readonly Hook[], Omit<HookSet, 'nonce'>>();

/** The set as it goes over the wire, with secrets filled in; an empty one says so. */
export function hookSet(hooks: readonly Hook[]): Omit<HookSet, 'nonce'> {
  const known = made.get(hooks);
  if (known) return known;
  const resolved = hooks.map((hook) => resolveSecrets(hook));
  const set = {
    version: digestOf(resolved.map((hook) => [hookId(hook), hook.digest])),
    hooks: resolved.map((hook) => convert.hookToProto(hook)),
    explicitlyEmpty: hooks.length === 0,
  };
  made.set(hooks, set);
  return set;
}

import { digestOf, type Hook, hookId, type Issue, type RefusedHook } from '#core';
import { convert, HookSet } from '#proto';

import { resolveSecrets, type SecretReader } from './secrets.ts';

/** Half of what a sidecar takes in one message: a set beyond that would cut every sidecar off from its configuration. */
const MAX_SET_BYTES = 32 * 2 ** 20;

/** The hooks as they go over the wire, for all sidecars. */
export interface PushedSet extends Omit<HookSet, 'nonce'> {
  /** Secrets that could not be read. */
  readonly problems: readonly Issue[];
  /** Hooks that had no room left; the others go out. */
  readonly refused: readonly RefusedHook[];
}

/** Fills in secrets; an empty set says so. The version is a digest: equal versions mean equal sets. */
export function createPushedSet(hooks: readonly Hook[], secrets: SecretReader): PushedSet {
  const refused: RefusedHook[] = [];
  let left = MAX_SET_BYTES;
  const pushed = hooks.flatMap((unresolved) => {
    const { hook, problems } = resolveSecrets(unresolved, (reference, namespace) => secrets.read(reference, namespace));
    const sent = convert.hookToProto(hook);
    const bytes = HookSet.encode({ version: '', nonce: '', hooks: [sent], explicitlyEmpty: false }).finish().length;
    if (bytes > left) {
      refused.push(refusal(hook, bytes, left));
      return [];
    }
    left -= bytes;
    return [{ hook, sent, problems }];
  });
  return {
    version: digestOf(pushed.map(({ hook }) => [hookId(hook), hook.digest])),
    hooks: pushed.map(({ sent }) => sent),
    explicitlyEmpty: pushed.length === 0,
    problems: pushed.flatMap(({ problems }) => problems),
    refused,
  };
}

function refusal(hook: Hook, bytes: number, left: number): RefusedHook {
  const { file = '', line = 1 } = hook.origin ?? {};
  const message = `has ${bytes} bytes, its secrets included, and the hooks before it leave room for ${left}`;
  const expected = `at most ${MAX_SET_BYTES} bytes of all hooks together`;
  return { id: hookId(hook), file, issues: [{ path: '', message, expected, file, line, column: 1 }] };
}

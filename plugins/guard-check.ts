/** The guard without a hook, for who asks it about commands: loaded then, since a sidecar without it needs none of its rules. */
import type { Checked, CheckedCall } from './actions/guard/check.ts';

export type { Checked, CheckedCall } from './actions/guard/check.ts';
export type GuardCheck = (call: CheckedCall) => Checked;

/** Rejects with a ConfigError for options that the action does not take. */
export async function loadGuardCheck(options: unknown): Promise<GuardCheck> {
  const { createCheck } = await import('./actions/guard/check.ts');
  return createCheck(options);
}

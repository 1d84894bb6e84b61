/** Recoveries of pods, heard where khook's Hooks are in effect: their incidents are over when the pod truly is well again. */
import { createHook, EventHookSpec, type Hook, OWN_NAMESPACE, parseConfig } from '#core';

/** It only records: no attempt, no claim. */
export const RECOVERIES: Hook = createHook({
  namespace: OWN_NAMESPACE,
  name: 'khook.recoveries',
  form: 'EventHook',
  origin: null,
  spec: parseConfig(
    EventHookSpec,
    {
      source: 'kubernetes',
      eventTypes: ['kubernetes.pod-recovered'],
      mode: 'audit',
      // Never made: an audit makes no attempt.
      actions: [{ type: 'webhook', config: { url: 'http://recoveries.invalid', timeout: 5000, headers: {} } }],
    },
    'recoveries',
  ),
});

/** What sidecars get beside the hooks that people wrote. */
export function withRecoveries(hooks: readonly Hook[]): readonly Hook[] {
  return hooks.some(({ form }) => form === 'Hook') ? [...hooks, RECOVERIES] : hooks;
}

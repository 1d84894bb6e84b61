/** The action before a real agent, over the guarded fetch of a node that allows this machine. */
import { type Clock, parseConfig, systemClock } from '#core';

import { a2a } from '../../../plugins/actions/a2a/index.ts';
import { createGuardedFetch } from '../../../sidecar/guarded-fetch.ts';
import { parsePolicy } from '../../../sidecar/policy.ts';
import { attemptOf, eventOf, silentLog } from '../../kit/action-context.ts';

export const OOM = eventOf({
  id: 'kubernetes-f00d-7',
  source: 'kubernetes',
  type: 'kubernetes.oom-kill',
  subject: 'web-1',
  namespace: 'shop',
  interface: '',
  messageType: 0,
  eventType: 0,
  attributes: { name: 'web-1', reason: 'OOMKilled', message: 'Container web was OOM killed' },
});

const POLICY = parsePolicy('version: 1\nwebhook: { allow: [127.0.0.0/8] }', 'policy');

export function asking(config: object, policy = POLICY, clock: Clock = systemClock) {
  const { fetch, close } = createGuardedFetch(policy);
  const run = () => Promise.reject(new Error('an agent runs no program'));
  const options = parseConfig(a2a.config, { prompt: 'What ails {{.ResourceName}}?', ...config }, 'a2a');
  const action = a2a.create(options, { clock, log: silentLog, fetch, run });
  let remembered: string | null = null;
  return {
    /** One attempt; what the ones before remembered is known to it. */
    handle: (parts: Parameters<typeof attemptOf>[0] = {}, event = OOM) =>
      action.handle(event, attemptOf({ remembered, remember: async (text) => void (remembered = text), ...parts })),
    get remembered() {
      return remembered;
    },
    [Symbol.asyncDispose]: close,
  };
}

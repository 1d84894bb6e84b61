/** The schemas alone, so that the control plane can refuse a bad hook without importing any plugin's work. */
import type { ObjectSchema, Vocabulary } from '#core';

import { config as a2a } from './actions/a2a/config.ts';
import { config as guard } from './actions/guard/config.ts';
import { config as script } from './actions/script/config.ts';
import { config as webhook } from './actions/webhook/config.ts';
import { eventTypes as agent } from './sources/agent/config.ts';
import { eventTypes as kubernetes } from './sources/kubernetes/config.ts';
import { eventTypes as netlink } from './sources/netlink/config.ts';

export const vocabulary: Vocabulary = {
  actions: new Map<string, ObjectSchema>([
    ['a2a', a2a],
    ['guard', guard],
    ['script', script],
    ['webhook', webhook],
  ]),
  sources: new Map<string, readonly string[]>([
    ['agent', agent],
    ['kubernetes', kubernetes],
    ['netlink', netlink],
    // The sidecar's own word: what it could not take in while its disk was full or failing.
    ['journal', ['journal.lost']],
    ['hooks', ['hooks.loop-cut']],
  ]),
};

export { redact, resolveSecrets, secretKeys, type SecretReference } from './secrets.ts';
export { KAGENT_URL, KAGENT_USER } from './actions/a2a/config.ts';

import type { ActionDefinition, SourceDefinition } from '#core';

import { a2a } from './actions/a2a/index.ts';
import { guard } from './actions/guard/index.ts';
import { script } from './actions/script/index.ts';
import { webhook } from './actions/webhook/index.ts';
import { agent } from './sources/agent/index.ts';
import { kubernetes } from './sources/kubernetes/index.ts';
import { netlink } from './sources/netlink/index.ts';

export { type Checked, type CheckedCall, type GuardCheck, loadGuardCheck } from './guard-check.ts';

/** Everything that is built in. A new plugin is one folder and one line here (plugins/README.md). */
export const sources: readonly SourceDefinition[] = [netlink, kubernetes, agent];
export const actions: readonly ActionDefinition[] = [a2a, guard, script, webhook];

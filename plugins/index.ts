import type { ActionDefinition, SourceDefinition } from '#core';

import { script } from './actions/script/index.ts';
import { webhook } from './actions/webhook/index.ts';
import { kubernetes } from './sources/kubernetes/index.ts';
import { netlink } from './sources/netlink/index.ts';

/** Everything that is built in. A new plugin is one folder and one line here (plugins/README.md). */
export const sources: readonly SourceDefinition[] = [netlink, kubernetes];
export const actions: readonly ActionDefinition[] = [script, webhook];

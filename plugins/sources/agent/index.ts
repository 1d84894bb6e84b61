/** Hears what agents are about to do and have done, and answers while they wait. Config, permissions and risks: ./README.md. */
import { defineSource } from '#core';

import { config, eventTypes } from './config.ts';
import { AgentSource } from './source.ts';

export const agent = defineSource({
  type: 'agent',
  stability: 'experimental',
  eventTypes,
  config,
  create: (options, context) => new AgentSource(options, context),
});

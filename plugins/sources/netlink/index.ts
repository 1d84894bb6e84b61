/** Hears what the kernel says of links, addresses, routes, neighbours and rules. Config, permissions and risks: ./README.md. */
import { defineSource, type SourceContext } from '#core';
import { type NetlinkReader, type NetlinkReaderOptions, type Opener, openNetlinkReader, startOpener } from '#native';

import { config, eventTypes } from './config.ts';
import type { Known } from './namespaces.ts';
import { NetlinkSource } from './source.ts';

export const netlink = createNetlink(openNetlinkReader, startOpener);

/** The source over a given reader, so that tests can hear what they say. */
export function createNetlink(
  openReader: (options: NetlinkReaderOptions) => NetlinkReader,
  openerOf: () => Opener = startOpener,
) {
  /** By node: what a life that failed knew last, for the next one to compare with. */
  const known = new Map<string, Known>();
  return defineSource({
    type: 'netlink',
    stability: 'experimental',
    eventTypes,
    config,
    create: (configured, context: SourceContext) =>
      new NetlinkSource({ config: configured, context, openReader, startOpener: openerOf, known }),
  });
}

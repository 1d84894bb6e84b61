/** Hears link changes of the kernel over rtnetlink. Config, permissions and risks: ./README.md. */
import { defineSource, type SourceContext } from '#core';
import { type NetlinkReader, type NetlinkReaderOptions, openNetlinkReader } from '#native';

import { config, eventTypes } from './config.ts';
import type { LinkTable } from './links.ts';
import { NetlinkSource } from './source.ts';

export const netlink = createNetlink(openNetlinkReader);

/** The source over a given reader, so that tests can hear what they say. */
export function createNetlink(openReader: (options: NetlinkReaderOptions) => NetlinkReader) {
  /** By node: what a life that failed knew last, for the next one to compare with. */
  const known = new Map<string, LinkTable>();
  return defineSource({
    type: 'netlink',
    stability: 'experimental',
    eventTypes,
    config,
    create: ({ receiveBuffer }, context: SourceContext) =>
      new NetlinkSource({ receiveBuffer, context, openReader, known }),
  });
}

import { errorText, type Infer, type Log } from '#core';
import { errnoName, errnoText, type NetlinkReader, type NetlinkReaderOptions, type Opener } from '#native';

import type { config } from './config.ts';
import { familiesOf } from './gaps.ts';

/** Records that wait in the reader before it leaves them to the kernel's buffer. */
const QUEUE_LIMIT = 65_536;
/** Only the line to the opener ends like that; a netlink socket has no other side that could go. */
const OPENER_ENDED = new Set(['EPIPE', 'ECONNRESET']);

/** A reader, and the opener that it needs for more than its own namespace. */
export interface OpenedLine {
  readonly reader: NetlinkReader;
  readonly hearsAll: boolean;
  /** Why only the own namespace is heard, for people; null where that is as configured. */
  readonly ownOnly: string | null;
  /** Idempotent. */
  close(): void;
}

export interface OpenLineOptions {
  readonly config: Infer<typeof config>;
  readonly context: { readonly log: Log };
  readonly openReader: (options: NetlinkReaderOptions) => NetlinkReader;
  readonly startOpener: () => Opener;
  readonly onReadable: () => void;
}

/** Without an opener the own namespace is heard all the same. Throws where not even that is possible. */
export function openLine(options: OpenLineOptions): OpenedLine {
  if (options.config.namespaces === 'own') return openOwn(options, null);
  let opener: Opener | null = null;
  try {
    opener = options.startOpener();
    return opened(open(options, opener.fd), opener);
  } catch (error) {
    opener?.close();
    const reason = errorText(error);
    options.context.log.warn({ error: reason }, 'opener not started');
    return openOwn(options, reason);
  }
}

function opened(reader: NetlinkReader, opener: Opener): OpenedLine {
  const { allNamespacesErrno } = reader.stats();
  return {
    reader,
    hearsAll: allNamespacesErrno === null,
    ownOnly: allNamespacesErrno === null ? null : 'needs CAP_NET_ADMIN and CAP_NET_BROADCAST',
    close: () => {
      reader.close();
      opener.close();
    },
  };
}

function openOwn(options: OpenLineOptions, ownOnly: string | null): OpenedLine {
  const reader = open(options, null);
  return { reader, hearsAll: false, ownOnly, close: () => reader.close() };
}

function open({ config, openReader, onReadable }: OpenLineOptions, opener: number | null): NetlinkReader {
  return openReader({
    fd: null,
    opener,
    families: familiesOf(config.families),
    receiveBufferBytes: config.receiveBuffer,
    queueLimit: QUEUE_LIMIT,
    onReadable,
  });
}

/** What ended the reader, for people. */
export function failureOf(errno: number): Error {
  if (OPENER_ENDED.has(errnoName(errno)))
    return new Error('the opener ended: network namespaces are not heard until it is started again');
  return new Error(`the netlink socket failed (${errnoText(errno)})`);
}

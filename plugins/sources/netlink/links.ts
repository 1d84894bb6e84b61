import type { LinkRecord } from '#native';

import { type Change, changedNames, withoutMessage } from './change.ts';
import { DELETED_LINK, linkEvent, NEW_LINK } from './link-event.ts';

const AF_BRIDGE = 7;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
/** `ifi_change` of the message that the kernel sends when it registers a device. */
const REGISTERED = 0xffffffff;

/** What may change on a link, and how `netlink.link.changed` calls it. */
const WATCHED = [
  ['ifname', 'ifname'],
  ['mtu', 'mtu'],
  ['operstate', 'operstate'],
  ['qdisc', 'qdisc'],
  ['address', 'address'],
  ['master', 'master'],
  ['txQueueLen', 'txqueuelen'],
  ['group', 'group'],
  ['alias', 'alias'],
  ['altnames', 'altnames'],
  ['promiscuity', 'promiscuity'],
  ['flags', 'flags'],
] as const satisfies readonly (readonly [keyof LinkRecord, string])[];

/** The last known state of every link, and what a record means against it (spec nlmon A10.14). */
export class LinkTable {
  readonly #links = new Map<number, LinkRecord>();
  /** Every link that exists is known: one that is not is new. */
  #complete: boolean;
  /** While a dump runs: links that it listed or that were told of meanwhile. */
  #seen: Set<number> | null = null;

  /** `complete`: nothing existed before, or all that does shall be told. */
  constructor(complete: boolean) {
    this.#complete = complete;
  }

  /** `''` where no link with this number is known. */
  nameOf(ifindex: number): string {
    return this.#links.get(ifindex)?.ifname ?? '';
  }

  /** What is known, each as if it were new. */
  *objects(): Generator<Change> {
    for (const link of this.#links.values()) yield withoutMessage(linkEvent('link-added', link));
  }

  /** A notification: exactly one event. */
  notified(record: LinkRecord): Change {
    const before = this.#links.get(record.ifindex);
    if (isPartial(record)) return this.#partly(record, before);
    this.#seen?.add(record.ifindex);
    if (record.messageType === DELETED_LINK) {
      this.#links.delete(record.ifindex);
      return linkEvent('link-deleted', record, { messageType: DELETED_LINK, before });
    }
    this.#links.set(record.ifindex, record);
    if (before) return compared(before, record, record);
    return this.#complete || record.change === REGISTERED
      ? linkEvent('link-added', record)
      : linkEvent('link-changed', record, { changed: '' });
  }

  beginDump(): void {
    this.#seen = new Set();
  }

  /** A row of a dump: events only where it differs from what was known. */
  dumped(record: LinkRecord): Change[] {
    // A row may be older than the notification that stands before it.
    if (this.#seen?.has(record.ifindex)) return [];
    this.#seen?.add(record.ifindex);
    const before = this.#links.get(record.ifindex);
    this.#links.set(record.ifindex, record);
    if (!before) return this.#complete ? [linkEvent('link-added', record)] : [];
    if (isOtherLink(before, record)) return [vanished(before), linkEvent('link-added', record)];
    const difference = compared(before, record, record);
    return difference.repeats ? [] : [difference];
  }

  /** The dump could not list links, and proves nothing of them. */
  giveUpDump(): void {
    this.#seen = null;
  }

  /** The dump was whole: what it did not list is gone. */
  endDump(): Change[] {
    const seen = this.#seen;
    this.#seen = null;
    this.#complete = true;
    return this.#remove(({ ifindex }) => !seen?.has(ifindex));
  }

  /** The namespace is gone, and all that was in it. */
  clear(): Change[] {
    return this.#remove(() => true);
  }

  #remove(isGone: (link: LinkRecord) => boolean): Change[] {
    const gone = [...this.#links.values()].filter(isGone);
    for (const { ifindex } of gone) this.#links.delete(ifindex);
    return gone.map(vanished);
  }

  /** It proves neither that the link is new nor all of its state, so the row of a dump under way still counts. */
  #partly(record: LinkRecord, before: LinkRecord | undefined): Change {
    if (!before) return linkEvent('link-changed', record, { changed: '' });
    const now = merged(before, record);
    this.#links.set(record.ifindex, now);
    return compared(before, now, record);
  }
}

/** A bridge's message about its port, where 17 is "left the bridge", or a driver's that names little but the link. */
function isPartial({ family, messageType, mtu }: LinkRecord): boolean {
  return family === AF_BRIDGE || (messageType === NEW_LINK && mtu === null);
}

function merged(before: LinkRecord, record: LinkRecord): LinkRecord {
  const { ifname, mtu, operstate, address, flags } = record;
  return {
    ...before,
    ifname: ifname ?? before.ifname,
    mtu: mtu ?? before.mtu,
    operstate: operstate ?? before.operstate,
    address: address ?? before.address,
    flags,
    master: masterOf(before, record),
  };
}

/** In its messages about itself a bridge names itself as master. */
function masterOf(before: LinkRecord, { family, messageType, ifindex, master }: LinkRecord): number | null {
  if (family !== AF_BRIDGE || master === ifindex) return before.master;
  return messageType === DELETED_LINK ? null : (master ?? before.master);
}

/** The number was given to another link while nothing was heard; a rename alone keeps kind and address. */
function isOtherLink(before: LinkRecord, now: LinkRecord): boolean {
  return before.linkKind !== now.linkKind || (before.ifname !== now.ifname && before.address !== now.address);
}

function vanished(link: LinkRecord): Change {
  return withoutMessage(linkEvent('link-deleted', link, { messageType: DELETED_LINK }));
}

function compared(before: LinkRecord, now: LinkRecord, record: LinkRecord): Change {
  const changed = changedNames(before, now, WATCHED);
  const toggled = before.flags ^ now.flags;
  const flag = toggled & IFF_UP || toggled & IFF_LOWER_UP;
  if (flag === 0) return linkEvent('link-changed', record, { before, changed });
  const type = (now.flags & flag) === 0 ? 'link-down' : 'link-up';
  return linkEvent(type, record, { before, changed, cause: flag === IFF_UP ? 'admin' : 'carrier' });
}

import type { Attributes } from '#core';
import type { LinkRecord } from '#native';

const NEW_LINK = 16;
const DELETED_LINK = 17;
const AF_BRIDGE = 7;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
/** `ifi_change` of the message that the kernel sends when it registers a device. */
const REGISTERED = 0xffffffff;

export type LinkEventType = 'link-added' | 'link-deleted' | 'link-up' | 'link-down' | 'link-changed';

export interface LinkEvent {
  readonly type: LinkEventType;
  readonly ifname: string;
  readonly messageType: number;
  readonly attributes: Attributes;
}

type Cause = 'admin' | 'carrier';

/** What may change on a link and is named in `netlink.link.changed`, beside the flags that make it go up or down. */
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
  ['flags', 'flags'],
] as const satisfies readonly (readonly [keyof LinkRecord, string])[];

/**
 * The last known state of every link, and what a record means against it (spec nlmon A10.14). Before the first dump is
 * complete a link that is not known yet need not be new: the kernel's own mark decides.
 */
export class LinkTable {
  readonly #links = new Map<number, LinkRecord>();
  #complete = false;
  /** While a dump runs: links that it listed or that were told of meanwhile. */
  #seen: Set<number> | null = null;

  /** A notification: exactly one event. */
  notified(record: LinkRecord): LinkEvent {
    this.#seen?.add(record.ifindex);
    const before = this.#links.get(record.ifindex);
    if (record.messageType === DELETED_LINK && record.family !== AF_BRIDGE) {
      this.#links.delete(record.ifindex);
      return event('link-deleted', record, before, null, '');
    }
    const now = before && record.family === AF_BRIDGE ? overlay(before, record) : record;
    this.#links.set(record.ifindex, now);
    if (!before)
      return event(
        this.#complete || record.change === REGISTERED ? 'link-added' : 'link-changed',
        record,
        before,
        null,
        '',
      );
    return compared(before, now, record);
  }

  beginDump(): void {
    this.#seen = new Set();
  }

  /** A row of a dump: an event only where it differs from what was known, and never in the first dump. */
  dumped(record: LinkRecord): LinkEvent | null {
    const known = this.#seen?.has(record.ifindex) ?? false;
    this.#seen?.add(record.ifindex);
    if (known) return null;
    const before = this.#links.get(record.ifindex);
    this.#links.set(record.ifindex, record);
    if (!this.#complete) return null;
    if (!before) return event('link-added', record, before, null, '');
    const difference = compared(before, record, record);
    return difference.type === 'link-changed' && difference.attributes['netlink.link.changed'] === ''
      ? null
      : difference;
  }

  /** The dump was whole: what it did not list is gone. */
  endDump(): LinkEvent[] {
    const seen = this.#seen;
    this.#seen = null;
    const gone = [...this.#links.values()].filter(({ ifindex }) => !seen?.has(ifindex));
    for (const { ifindex } of gone) this.#links.delete(ifindex);
    const first = !this.#complete;
    this.#complete = true;
    return first
      ? []
      : gone.map((link) => event('link-deleted', { ...link, messageType: DELETED_LINK }, link, null, ''));
  }

  get size(): number {
    return this.#links.size;
  }
}

/** A bridge's message about its port carries only a part of the link. */
function overlay(before: LinkRecord, record: LinkRecord): LinkRecord {
  return {
    ...before,
    master: record.messageType === DELETED_LINK ? null : (record.master ?? before.master),
    operstate: record.operstate ?? before.operstate,
    mtu: record.mtu ?? before.mtu,
  };
}

function compared(before: LinkRecord, now: LinkRecord, record: LinkRecord): LinkEvent {
  const toggled = before.flags ^ now.flags;
  const cause: Cause | null = (toggled & IFF_UP) !== 0 ? 'admin' : (toggled & IFF_LOWER_UP) !== 0 ? 'carrier' : null;
  let changed = '';
  for (const [key, name] of WATCHED) {
    if (before[key] !== now[key]) changed += changed === '' ? name : `,${name}`;
  }
  if (cause === null) return event('link-changed', record, before, null, changed);
  const up = (now.flags & (cause === 'admin' ? IFF_UP : IFF_LOWER_UP)) !== 0;
  return event(up ? 'link-up' : 'link-down', record, before, cause, changed);
}

function event(
  type: LinkEventType,
  record: LinkRecord,
  before: LinkRecord | undefined,
  cause: Cause | null,
  changed: string,
): LinkEvent {
  const ifname = record.ifname ?? before?.ifname ?? '';
  return { type, ifname, messageType: record.messageType, attributes: attributesOf(record, ifname, cause, changed) };
}

/** One literal, so that all events have one shape; undefined is absent. */
function attributesOf(record: LinkRecord, ifname: string, cause: Cause | null, changed: string): Attributes {
  return {
    'netlink.protocol': 0,
    'netlink.msg_type': record.dump === null ? record.messageType : NEW_LINK,
    'netlink.msg_flags': record.messageFlags,
    'netlink.seq': record.messageSequence,
    'netlink.pid': record.messagePid,
    'netlink.link.ifname': ifname,
    'netlink.link.ifindex': record.ifindex,
    'netlink.link.flags': record.flags,
    'netlink.link.mtu': record.mtu ?? undefined,
    'netlink.link.operstate': record.operstate ?? undefined,
    'netlink.link.qdisc': record.qdisc ?? undefined,
    'netlink.link.address': record.address ?? undefined,
    'netlink.link.kind': record.linkKind ?? undefined,
    'netlink.link.cause': cause ?? undefined,
    'netlink.link.changed': changed,
  };
}

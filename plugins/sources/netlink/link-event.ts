import type { Attributes } from '#core';
import type { LinkRecord } from '#native';

export const NEW_LINK = 16;
export const DELETED_LINK = 17;

export type LinkEventType = 'link-added' | 'link-deleted' | 'link-up' | 'link-down' | 'link-changed';

/** What a record means. */
export interface LinkEvent {
  readonly type: LinkEventType;
  readonly ifname: string;
  /** 17 only where the link is gone. */
  readonly messageType: number;
  readonly attributes: Attributes;
}

export interface LinkEventDetail {
  readonly messageType?: number;
  /** What was known, for a name that the record does not carry. */
  readonly before?: LinkRecord | undefined;
  readonly cause?: 'admin' | 'carrier';
  /** Names of what changed, with commas between. */
  readonly changed?: string;
}

export function linkEvent(type: LinkEventType, record: LinkRecord, detail: LinkEventDetail = {}): LinkEvent {
  const { messageType = NEW_LINK, before, cause, changed } = detail;
  const ifname = record.ifname ?? before?.ifname ?? '';
  // One literal, so that all events have one shape; undefined is absent.
  const attributes: Attributes = {
    'netlink.protocol': 0,
    'netlink.msg_type': record.messageType,
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
    'netlink.link.cause': cause,
    'netlink.link.changed': changed,
  };
  return { type, ifname, messageType, attributes };
}

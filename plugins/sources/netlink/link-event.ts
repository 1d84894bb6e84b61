import type { Attributes } from '#core';
import type { LinkRecord } from '#native';

import type { Change } from './change.ts';

export const NEW_LINK = 16;
export const DELETED_LINK = 17;

export type LinkEventType = 'link-added' | 'link-deleted' | 'link-up' | 'link-down' | 'link-changed';

export interface LinkEventDetail {
  readonly messageType?: number;
  /** What was known, for a name that the record does not carry. */
  readonly before?: LinkRecord | undefined;
  readonly cause?: 'admin' | 'carrier';
  /** Names of what changed, with commas between. */
  readonly changed?: string;
}

export function linkEvent(type: LinkEventType, record: LinkRecord, detail: LinkEventDetail = {}): Change {
  const { messageType = NEW_LINK, before, changed } = detail;
  const ifname = record.ifname ?? before?.ifname ?? '';
  const attributes = linkAttributes(record, ifname, detail);
  return { type, family: 'link', subject: ifname, ifname, messageType, attributes, repeats: changed === '' };
}

/** One literal, so that all events have one shape; undefined is absent. */
function linkAttributes(record: LinkRecord, ifname: string, { cause, changed }: LinkEventDetail): Attributes {
  return {
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
    'netlink.link.slave_kind': record.slaveKind ?? undefined,
    'netlink.link.type': record.deviceType,
    'netlink.link.change': record.change,
    'netlink.link.master': record.master ?? undefined,
    'netlink.link.peer': record.link ?? undefined,
    'netlink.link.peer_nsid': record.linkNetnsid ?? undefined,
    'netlink.link.new_nsid': record.newNetnsid ?? undefined,
    'netlink.link.new_ifindex': record.newIfindex ?? undefined,
    'netlink.link.carrier': record.carrier ?? undefined,
    'netlink.link.carrier_changes': record.carrierChanges ?? undefined,
    'netlink.link.carrier_up_count': record.carrierUpCount ?? undefined,
    'netlink.link.carrier_down_count': record.carrierDownCount ?? undefined,
    'netlink.link.txqueuelen': record.txQueueLen ?? undefined,
    'netlink.link.group': record.group ?? undefined,
    'netlink.link.promiscuity': record.promiscuity ?? undefined,
    'netlink.link.alias': record.alias ?? undefined,
    'netlink.link.altnames': record.altnames ?? undefined,
    'netlink.link.cause': cause,
    'netlink.link.changed': changed,
  };
}

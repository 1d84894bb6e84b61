import type { Attributes } from '#core';
import type { ObjectRecord } from '#native';

export type Family = ObjectRecord['kind'];

/** How each family is called in event types and fields, and its `event_type` (spec nlmon A10.11). */
export const FAMILIES = {
  link: { name: 'link', eventType: 1 },
  address: { name: 'addr', eventType: 2 },
  route: { name: 'route', eventType: 3 },
  neighbour: { name: 'neigh', eventType: 4 },
  rule: { name: 'rule', eventType: 5 },
} as const satisfies Record<Family, { readonly name: string; readonly eventType: number }>;

/** What a record means against what was known. */
export interface Change {
  /** The event's type after `netlink.`: `link-added`. */
  readonly type: string;
  readonly family: Family;
  /** What it is about, for people. */
  readonly subject: string;
  /** The link that it is about, `''` where none is. */
  readonly ifname: string;
  /** The odd number, of a removal, only where the object is gone. */
  readonly messageType: number;
  readonly attributes: Attributes;
  /** The message told nothing that was not known. */
  readonly repeats: boolean;
}

/** The attributes that the header of the message gives; those of a message that never was are absent. */
export function headerOf(record: ObjectRecord): Attributes {
  return {
    'netlink.protocol': 0,
    'netlink.msg_type': record.messageType,
    'netlink.msg_flags': record.messageFlags,
    'netlink.seq': record.messageSequence,
    'netlink.pid': record.messagePid,
  };
}

/** The same without a message: a dump found it, and nothing of an older message is claimed for it. */
export function withoutMessage(change: Change): Change {
  const noMessage = { 'netlink.msg_flags': undefined, 'netlink.seq': undefined, 'netlink.pid': undefined };
  return { ...change, attributes: { ...change.attributes, 'netlink.msg_type': change.messageType, ...noMessage } };
}

/** Names of the watched fields that differ, with commas between. */
export function changedNames<R>(before: R, now: R, watched: readonly (readonly [keyof R, string])[]): string {
  let changed = '';
  for (const [key, name] of watched) {
    if (before[key] !== now[key]) changed += changed === '' ? name : `,${name}`;
  }
  return changed;
}

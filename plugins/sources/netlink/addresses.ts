import type { AddressRecord } from '#native';

import { headerOf } from './change.ts';
import type { FamilyRules } from './object-table.ts';

/** `nameOf` gives the name of a link by its number, `''` where it is not known. */
export function addressRules(nameOf: (ifindex: number) => string): FamilyRules<AddressRecord> {
  return {
    family: 'address',
    newMessage: 20,
    keyOf: ({ family, ifindex, prefixLength, address, local }) =>
      `${family} ${ifindex} ${prefixLength} ${address} ${local}`,
    watched: [
      ['scope', 'scope'],
      ['flags', 'flags'],
      ['label', 'label'],
      ['broadcast', 'broadcast'],
      ['metric', 'metric'],
      ['protocol', 'protocol'],
      ['valid', 'valid'],
      ['preferred', 'preferred'],
    ],
    // They count down.
    drifting: new Set(['valid', 'preferred']),
    describe: (record, changed) => {
      const ifname = nameOf(record.ifindex);
      const own = record.local ?? record.address;
      return {
        ifname,
        subject: `${own ?? 'no address'}/${record.prefixLength} ${ifname}`.trimEnd(),
        attributes: {
          ...headerOf(record),
          'netlink.addr.family': record.family,
          'netlink.addr.ifindex': record.ifindex,
          'netlink.addr.prefixlen': record.prefixLength,
          'netlink.addr.scope': record.scope,
          'netlink.addr.addr': record.address ?? undefined,
          'netlink.addr.label': record.label ?? undefined,
          'netlink.addr.local': own ?? undefined,
          'netlink.addr.broadcast': record.broadcast ?? undefined,
          'netlink.addr.flags': record.flags,
          'netlink.addr.valid': record.valid ?? undefined,
          'netlink.addr.preferred': record.preferred ?? undefined,
          'netlink.addr.metric': record.metric ?? undefined,
          'netlink.addr.protocol': record.protocol ?? undefined,
          'netlink.addr.changed': changed,
        },
      };
    },
  };
}

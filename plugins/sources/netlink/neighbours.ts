import type { NeighbourRecord } from '#native';

import { headerOf } from './change.ts';
import type { FamilyRules } from './object-table.ts';

const AF_BRIDGE = 7;
const NTF_SELF = 0x02;
const NTF_PROXY = 0x08;

export function neighbourRules(nameOf: (ifindex: number) => string): FamilyRules<NeighbourRecord> {
  return {
    family: 'neighbour',
    newMessage: 28,
    // An entry of a forwarding table is known by its hardware address, whose way may change.
    keyOf: ({ family, ifindex, flags, destination, lladdr, vlan, vni, master }) =>
      family === AF_BRIDGE
        ? `${family} ${ifindex} ${lladdr} ${vlan} ${vni} ${master} ${destination}`
        : `${family} ${ifindex} ${destination} ${flags & NTF_PROXY}`,
    watched: [
      ['state', 'state'],
      ['lladdr', 'lladdr'],
      ['flags', 'flags'],
      ['extendedFlags', 'ext_flags'],
      ['protocol', 'protocol'],
      ['nexthopId', 'nh_id'],
    ],
    // The multicast addresses that a device itself listens to.
    untold: ({ family, flags, destination, lladdr }) =>
      family === AF_BRIDGE && flags === NTF_SELF && destination === null && isMulticast(lladdr),
    describe: (record, changed) => {
      const ifname = nameOf(record.ifindex);
      return {
        ifname,
        subject: `${record.destination ?? record.lladdr ?? 'no address'} ${ifname}`.trimEnd(),
        attributes: {
          ...headerOf(record),
          'netlink.neigh.family': record.family,
          'netlink.neigh.ifindex': record.ifindex,
          'netlink.neigh.state': record.state,
          'netlink.neigh.dst': record.destination ?? undefined,
          'netlink.neigh.lladdr': record.lladdr ?? undefined,
          'netlink.neigh.flags': record.flags,
          'netlink.neigh.ext_flags': record.extendedFlags ?? undefined,
          'netlink.neigh.type': record.type,
          'netlink.neigh.vlan': record.vlan ?? undefined,
          'netlink.neigh.vni': record.vni ?? undefined,
          'netlink.neigh.port': record.port ?? undefined,
          'netlink.neigh.master': record.master ?? undefined,
          'netlink.neigh.probes': record.probes ?? undefined,
          'netlink.neigh.protocol': record.protocol ?? undefined,
          'netlink.neigh.nh_id': record.nexthopId ?? undefined,
          'netlink.neigh.changed': changed,
        },
      };
    },
  };
}

/** The lowest bit of the first octet. */
function isMulticast(lladdr: string | null): boolean {
  return lladdr !== null && (Number.parseInt(lladdr.slice(0, 2), 16) & 1) !== 0;
}

import type { RouteRecord } from '#native';

import { headerOf } from './change.ts';
import type { FamilyRules } from './object-table.ts';

const AF_INET6 = 10;

/** Where in the tables a route stands: of the routes of one place the kernel takes the first. */
function placeOf({ family, table, tos, priority, source, destination }: RouteRecord): string {
  return `${family} ${table} ${tos} ${priority} ${source} ${destination}`;
}

/** In IPv6 the routes of one place that have gateways are the hops of one route, and come and go hop by hop. */
function isOneOfMany({ family, gateway, nexthops, nexthopId }: RouteRecord): boolean {
  return family === AF_INET6 && nexthopId === null && (gateway !== null || nexthops !== null);
}

/** The removal of one hop names that hop alone. */
function remainder(known: RouteRecord, removed: RouteRecord): RouteRecord | undefined {
  if (!isOneOfMany(known) || known.nexthops === null || removed.nexthops !== null) return undefined;
  const gone = `via ${removed.gateway} oif ${removed.oif} `;
  const left = known.nexthops.split(', ').filter((hop) => !hop.startsWith(gone));
  const [only, ...others] = left;
  if (only === undefined) return undefined;
  if (others.length > 0) return { ...known, nexthops: left.join(', ') };
  const [, gateway = null, , oif = null] = only.split(' ');
  return { ...known, nexthops: null, gateway, oif: oif === null ? null : Number(oif) };
}

export function routeRules(nameOf: (ifindex: number) => string): FamilyRules<RouteRecord> {
  return {
    family: 'route',
    newMessage: 24,
    placeOf,
    remainder,
    keyOf: (record) => {
      const { type, oif, gateway, nexthops, nexthopId } = record;
      const place = placeOf(record);
      if (isOneOfMany(record)) return `${place} many`;
      return `${place} ${type} ${oif} ${gateway} ${nexthopId} ${nexthops} ${ofIpv4(record)}`;
    },
    // The way it goes is part of which route it is; it changes where one replaces another.
    watched: [
      ['type', 'type'],
      ['oif', 'oif'],
      ['gateway', 'gateway'],
      ['nexthops', 'nexthops'],
      ['nexthopId', 'nh_id'],
      ['protocol', 'protocol'],
      ['scope', 'scope'],
      ['flags', 'flags'],
      ['preferredSource', 'prefsrc'],
      ['metrics', 'metrics'],
      ['preference', 'pref'],
      ['encapsulation', 'encap'],
      ['expires', 'expires'],
    ],
    drifting: new Set(['expires']),
    describe: (record, changed) => {
      const ifname = record.oif === null ? '' : nameOf(record.oif);
      return {
        ifname,
        subject: subjectOf(record, ifname),
        attributes: {
          ...headerOf(record),
          'netlink.route.family': record.family,
          'netlink.route.dst': record.destination ?? undefined,
          'netlink.route.src': record.source ?? undefined,
          'netlink.route.gateway': record.gateway ?? undefined,
          'netlink.route.oif': record.oif ?? undefined,
          'netlink.route.protocol': record.protocol,
          'netlink.route.scope': record.scope,
          'netlink.route.type': record.type,
          'netlink.route.priority': record.priority ?? undefined,
          'netlink.route.dst_len': record.destinationLength,
          'netlink.route.src_len': record.sourceLength,
          'netlink.route.table': record.table,
          'netlink.route.tos': record.tos,
          'netlink.route.flags': record.flags,
          'netlink.route.iif': record.iif ?? undefined,
          'netlink.route.prefsrc': record.preferredSource ?? undefined,
          'netlink.route.metrics': record.metrics ?? undefined,
          'netlink.route.nexthops': record.nexthops ?? undefined,
          'netlink.route.nh_id': record.nexthopId ?? undefined,
          'netlink.route.pref': record.preference ?? undefined,
          'netlink.route.encap': record.encapsulation ?? undefined,
          'netlink.route.expires': record.expires ?? undefined,
          'netlink.route.changed': changed,
        },
      };
    },
  };
}

function subjectOf({ destination, gateway, nexthops }: RouteRecord, ifname: string): string {
  const way = nexthops ?? [gateway && `via ${gateway}`, ifname && `dev ${ifname}`].filter(Boolean).join(' ');
  return `${destination ?? 'default'} ${way}`.trimEnd();
}

/** The kernel keeps IPv4 routes apart that differ in these alone (`ip route append`). */
function ofIpv4({ family, protocol, scope, preferredSource }: RouteRecord): string {
  return family === AF_INET6 ? '' : `${protocol} ${scope} ${preferredSource}`;
}

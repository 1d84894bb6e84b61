import type { Scalar, EventFields } from '../event.ts';
import { nearest } from '../nearest.ts';

export type FieldType = 'string' | 'number' | 'boolean';

/** A name that conditions may use, and how its value is read from an event. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** The source whose events have it; `any`: every event; `none`: it parses, and is always absent (nlmon A10.12). */
  readonly setBy: 'any' | 'netlink' | 'kubernetes' | 'agent' | 'journal' | 'hooks' | 'none';
  /** The value, or undefined where the event has none. */
  readonly read: (event: EventFields) => Scalar | undefined;
}

/** The six that every event has (nlmon A10.6). */
const BASIC: readonly Field[] = [
  { name: 'interface', type: 'string', setBy: 'any', read: (event) => event.interface },
  { name: 'message_type', type: 'number', setBy: 'any', read: (event) => event.messageType },
  { name: 'event_type', type: 'number', setBy: 'any', read: (event) => event.eventType },
  { name: 'namespace', type: 'string', setBy: 'any', read: (event) => event.namespace },
  { name: 'timestamp', type: 'number', setBy: 'any', read: (event) => event.time },
  { name: 'sequence', type: 'number', setBy: 'any', read: (event) => event.sequence },
];

/** Attributes by prefix, source and type (nlmon A2, A10.10). */
const ATTRIBUTES: readonly (readonly [prefix: string, setBy: Field['setBy'], type: FieldType, names: string])[] = [
  ['netlink', 'netlink', 'number', 'protocol msg_type msg_flags seq pid'],
  ['netlink', 'none', 'number', 'genl_cmd genl_version genl_family_id'],
  ['netlink', 'none', 'string', 'genl_family_name'],
  ['netlink.link', 'netlink', 'number', 'ifindex flags mtu operstate'],
  ['netlink.link', 'netlink', 'string', 'ifname qdisc'],
  ['netlink.addr', 'netlink', 'number', 'family ifindex prefixlen scope'],
  ['netlink.addr', 'netlink', 'string', 'addr label'],
  ['netlink.route', 'netlink', 'number', 'family oif protocol scope type priority'],
  ['netlink.route', 'netlink', 'string', 'dst src gateway'],
  ['netlink.neigh', 'netlink', 'number', 'family ifindex state'],
  ['netlink.neigh', 'netlink', 'string', 'dst'],
  ['netlink.diag', 'none', 'number', 'family state protocol src_port dst_port uid inode'],
  ['netlink.diag', 'none', 'string', 'src_addr dst_addr'],
  ['netlink.ct', 'none', 'number', 'protocol tcp_state src_port dst_port mark'],
  ['netlink.ct', 'none', 'string', 'src_addr dst_addr'],
  ['netlink.nl80211', 'none', 'number', 'cmd wiphy ifindex iftype freq'],
  ['netlink.nl80211', 'none', 'string', 'ifname'],
  ['netlink.qca', 'none', 'number', 'subcmd vendor_id'],
  ['netlink.qca', 'none', 'string', 'subcmd_name'],
  // Ours.
  ['netlink', 'netlink', 'boolean', 'resynced'],
  ['netlink', 'netlink', 'number', 'nsid'],
  ['netlink.netns', 'netlink', 'number', 'inode'],
  ['netlink.netns', 'netlink', 'boolean', 'listed'],
  ['netlink.link', 'netlink', 'string', 'cause changed kind slave_kind address alias altnames state before'],
  ['netlink.link', 'netlink', 'number', 'type change master peer peer_nsid new_nsid new_ifindex txqueuelen group'],
  ['netlink.link', 'netlink', 'number', 'carrier carrier_changes carrier_up_count carrier_down_count promiscuity'],
  ['netlink.link', 'netlink', 'number', 'held_ms transitions window_ms'],
  ['netlink.addr', 'netlink', 'string', 'local broadcast changed'],
  ['netlink.addr', 'netlink', 'number', 'flags valid preferred metric protocol'],
  ['netlink.route', 'netlink', 'string', 'prefsrc metrics nexthops changed'],
  ['netlink.route', 'netlink', 'number', 'dst_len src_len table tos flags iif nh_id pref encap expires'],
  ['netlink.neigh', 'netlink', 'string', 'lladdr changed'],
  ['netlink.neigh', 'netlink', 'number', 'flags ext_flags type vlan vni port master probes protocol nh_id'],
  ['netlink.rule', 'netlink', 'string', 'src dst iifname oifname uid_range sport dport tun_id changed'],
  ['netlink.rule', 'netlink', 'number', 'family priority action table tos flags src_len dst_len fwmark fwmask goto'],
  ['netlink.rule', 'netlink', 'number', 'l3mdev suppress_prefixlen suppress_ifgroup ip_proto protocol dscp'],
  ['netlink.overflow', 'netlink', 'number', 'lost'],
  ['netlink.resynced', 'netlink', 'number', 'differences'],
  ['', 'kubernetes', 'string', 'kind name uid reason message owner owners labels phase node_name'],
  ['', 'kubernetes', 'string', 'container container_kind container_id image'],
  ['', 'kubernetes', 'string', 'changed_by'],
  ['', 'kubernetes', 'number', 'exit_code signal restart_count restarts depth'],
  ['', 'kubernetes', 'boolean', 'fault'],
  ['probe', 'kubernetes', 'string', 'kind'],
  ['probe', 'kubernetes', 'boolean', 'unready killed'],
  ['involved', 'kubernetes', 'string', 'kind name namespace uid field_path'],
  ['event', 'kubernetes', 'string', 'type component'],
  ['event', 'kubernetes', 'number', 'count'],
  ['agent', 'agent', 'string', 'event dialect session id parent type tool tool_use_id correlation cwd text'],
  ['agent', 'agent', 'string', 'command path url input response pod verdict reason hook risk cause'],
  ['agent', 'agent', 'number', 'priority uid pid decided_us calls unasked'],
  ['agent', 'agent', 'boolean', 'truncated paired success asked'],
  ['journal', 'journal', 'number', 'lost'],
  ['journal', 'journal', 'string', 'reason'],
  ['hooks', 'hooks', 'string', 'hook owner event'],
  ['hooks', 'hooks', 'number', 'depth'],
];

/** Every field by its name, the basic ones first. */
export const FIELDS: ReadonlyMap<string, Field> = new Map(
  [
    ...BASIC,
    ...ATTRIBUTES.flatMap(([prefix, setBy, type, names]) =>
      names.split(' ').map((name) => attribute(prefix === '' ? name : `${prefix}.${name}`, setBy, type)),
    ),
  ].map((field) => [field.name, field]),
);

function attribute(name: string, setBy: Field['setBy'], type: FieldType): Field {
  return { name, type, setBy, read: (event) => event.attributes[name] };
}

/** The field of this name in any case, or undefined. */
export function fieldNamed(name: string): Field | undefined {
  return FIELDS.get(name.toLowerCase());
}

/** The field that an unknown name most likely meant: with the same last part (`mtu`), or few edits away; else undefined. */
export function nearestName(name: string): string | undefined {
  const wanted = name.toLowerCase();
  const names = [...FIELDS.keys()];
  const namesakes = names.filter((known) => lastPart(known) === lastPart(wanted));
  return (
    names.find((known) => known.endsWith(`.${wanted}`)) ??
    nearest(wanted, namesakes) ??
    namesakes[0] ??
    nearest(wanted, names)
  );
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** Records of the families, as a test wants them. */
import type { AddressRecord, NeighbourRecord, NetnsRecord, RouteRecord, RuleRecord } from '#native';

const HEADER = { netns: -1, messageFlags: 0, messageSequence: 0, messagePid: 0, dump: null };

export function addressOf(parts: Partial<AddressRecord> = {}): AddressRecord {
  return {
    kind: 'address',
    ...HEADER,
    messageType: 20,
    family: 2,
    ifindex: 5,
    prefixLength: 24,
    scope: 0,
    flags: 0x80,
    valid: 600,
    preferred: 300,
    metric: null,
    protocol: null,
    address: '10.0.0.1',
    local: '10.0.0.1',
    broadcast: null,
    label: 'veth5',
    ...parts,
  };
}

export function routeOf(parts: Partial<RouteRecord> = {}): RouteRecord {
  return {
    kind: 'route',
    ...HEADER,
    messageType: 24,
    family: 2,
    table: 254,
    protocol: 3,
    scope: 0,
    type: 1,
    tos: 0,
    flags: 0,
    destinationLength: 16,
    sourceLength: 0,
    oif: 5,
    iif: null,
    priority: null,
    nexthopId: null,
    preference: null,
    encapsulation: null,
    expires: null,
    destination: '10.2.0.0/16',
    source: null,
    gateway: '10.0.0.2',
    preferredSource: null,
    metrics: null,
    nexthops: null,
    ...parts,
  };
}

export function neighbourOf(parts: Partial<NeighbourRecord> = {}): NeighbourRecord {
  return {
    kind: 'neighbour',
    ...HEADER,
    messageType: 28,
    family: 2,
    ifindex: 5,
    state: 2,
    flags: 0,
    type: 1,
    extendedFlags: null,
    vlan: null,
    vni: null,
    port: null,
    master: null,
    probes: 0,
    protocol: null,
    nexthopId: null,
    destination: '10.0.0.7',
    lladdr: '02:00:00:00:00:07',
    ...parts,
  };
}

export function ruleOf(parts: Partial<RuleRecord> = {}): RuleRecord {
  return {
    kind: 'rule',
    ...HEADER,
    messageType: 32,
    family: 2,
    action: 1,
    table: 77,
    tos: 0,
    flags: 0,
    destinationLength: 0,
    sourceLength: 16,
    priority: 100,
    fwmark: null,
    fwmask: null,
    target: null,
    l3mdev: null,
    suppressPrefixLength: null,
    suppressGroup: null,
    ipProtocol: null,
    protocol: 0,
    dscp: null,
    destination: null,
    source: '10.8.0.0/16',
    iifname: null,
    oifname: null,
    uidRange: null,
    sourcePorts: null,
    destinationPorts: null,
    tunnelId: null,
    ...parts,
  };
}

export function netnsOf(netns: number, change: NetnsRecord['change'], name: string | null = null): NetnsRecord {
  const inode = name === null ? null : 4_026_532_000 + netns;
  return { kind: 'netns', netns, change, name, inode, pid: null };
}

export const LISTED = netnsOf(-1, 'listed');

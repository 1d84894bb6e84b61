/** Where a record is from. `null`, here and below: the message did not carry it. Text may hold any character but NUL. */
export interface MessageHeader {
  /** The nsid of its network namespace; -1 for that of the reader. */
  readonly netns: number;
  readonly messageType: number;
  readonly messageFlags: number;
  readonly messageSequence: number;
  readonly messagePid: number;
  /** The dump that this is a row of; `null` for a notification. */
  readonly dump: number | null;
}

/** RTM_NEWLINK (16) or RTM_DELLINK (17). */
export interface LinkRecord extends MessageHeader {
  readonly kind: 'link';
  readonly ifindex: number;
  /** AF_UNSPEC (0), or AF_BRIDGE (7) for a message of a bridge about its port, where 17 does not mean removed. */
  readonly family: number;
  readonly deviceType: number;
  readonly flags: number;
  readonly change: number;
  readonly mtu: number | null;
  readonly operstate: number | null;
  readonly carrier: number | null;
  readonly carrierChanges: number | null;
  readonly carrierUpCount: number | null;
  readonly carrierDownCount: number | null;
  readonly master: number | null;
  /** The ifindex of the peer or of the device below. */
  readonly link: number | null;
  readonly txQueueLen: number | null;
  readonly group: number | null;
  /** The nsid of the peer, -1 where it has none. */
  readonly linkNetnsid: number | null;
  /** Where a link that is deleted here has been moved to, -1 where that has no nsid. */
  readonly newNetnsid: number | null;
  readonly newIfindex: number | null;
  readonly promiscuity: number | null;
  readonly ifname: string | null;
  readonly qdisc: string | null;
  readonly linkKind: string | null;
  /** What it is to its master. */
  readonly slaveKind: string | null;
  readonly alias: string | null;
  readonly address: string | null;
  /** With commas between. */
  readonly altnames: string | null;
}

/** RTM_NEWADDR (20) or RTM_DELADDR (21). */
export interface AddressRecord extends MessageHeader {
  readonly kind: 'address';
  readonly family: number;
  readonly ifindex: number;
  readonly prefixLength: number;
  readonly scope: number;
  readonly flags: number;
  /** Seconds; 4294967295 for ever. */
  readonly valid: number | null;
  readonly preferred: number | null;
  readonly metric: number | null;
  readonly protocol: number | null;
  /** IFA_ADDRESS: that of the peer on a point-to-point link, else the own. */
  readonly address: string | null;
  readonly local: string | null;
  readonly broadcast: string | null;
  readonly label: string | null;
}

/** RTM_NEWROUTE (24) or RTM_DELROUTE (25), of IPv4 (2) or IPv6 (10). */
export interface RouteRecord extends MessageHeader {
  readonly kind: 'route';
  readonly family: number;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly tos: number;
  readonly flags: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly oif: number | null;
  readonly iif: number | null;
  readonly priority: number | null;
  readonly nexthopId: number | null;
  /** Router preference of IPv6. */
  readonly preference: number | null;
  /** LWTUNNEL_ENCAP_*. */
  readonly encapsulation: number | null;
  /** Seconds. */
  readonly expires: number | null;
  /** `10.0.0.0/8`, `10.0.0.1`; null for the default route. */
  readonly destination: string | null;
  readonly source: string | null;
  /** RTA_GATEWAY or RTA_VIA: of either family. */
  readonly gateway: string | null;
  readonly preferredSource: string | null;
  /** `mtu 1400,advmss 1360`. */
  readonly metrics: string | null;
  /** `via 10.0.0.1 oif 3 weight 1, via …`. */
  readonly nexthops: string | null;
}

/** RTM_NEWNEIGH (28) or RTM_DELNEIGH (29); family 7 is an entry of a bridge's forwarding table. */
export interface NeighbourRecord extends MessageHeader {
  readonly kind: 'neighbour';
  readonly family: number;
  readonly ifindex: number;
  readonly state: number;
  readonly flags: number;
  readonly type: number;
  readonly extendedFlags: number | null;
  readonly vlan: number | null;
  readonly vni: number | null;
  readonly port: number | null;
  readonly master: number | null;
  readonly probes: number | null;
  readonly protocol: number | null;
  readonly nexthopId: number | null;
  readonly destination: string | null;
  readonly lladdr: string | null;
}

/** RTM_NEWRULE (32) or RTM_DELRULE (33), of IPv4 (2) or IPv6 (10). */
export interface RuleRecord extends MessageHeader {
  readonly kind: 'rule';
  readonly family: number;
  readonly action: number;
  readonly table: number;
  readonly tos: number;
  readonly flags: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly priority: number;
  readonly fwmark: number | null;
  readonly fwmask: number | null;
  /** The priority that `goto` goes to. */
  readonly target: number | null;
  readonly l3mdev: number | null;
  readonly suppressPrefixLength: number | null;
  readonly suppressGroup: number | null;
  readonly ipProtocol: number | null;
  readonly protocol: number | null;
  readonly dscp: number | null;
  readonly destination: string | null;
  readonly source: string | null;
  readonly iifname: string | null;
  readonly oifname: string | null;
  /** `1000-2000`, or one number, as the ports. */
  readonly uidRange: string | null;
  readonly sourcePorts: string | null;
  readonly destinationPorts: string | null;
  readonly tunnelId: string | null;
}

/** What carries a state of the kernel. */
export type ObjectRecord = LinkRecord | AddressRecord | RouteRecord | NeighbourRecord | RuleRecord;

/** A network namespace other than the reader's; it stands before everything that is heard from it. */
export interface NetnsRecord {
  readonly kind: 'netns';
  readonly netns: number;
  /** `listed`: all that exist were told (`netns` is -1). */
  readonly change: 'found' | 'named' | 'gone' | 'listed';
  /** The file in `/run/netns`; else `container-…`, `pid-N` or `nsid-N`. Null for `gone` and `listed`. */
  readonly name: string | null;
  readonly inode: number | null;
  readonly pid: number | null;
}

/** The kernel dropped messages here; 0 when it reported a loss that it did not count. What is known needs a dump. */
export interface OverflowRecord {
  readonly kind: 'overflow';
  readonly dropped: number;
}

export type Family = 'link' | 'address' | 'route' | 'neighbour' | 'rule';

export interface DumpDoneRecord {
  readonly kind: 'dump-done';
  readonly dump: number;
  readonly netns: number;
  /** Something changed while it was listed: dump again. */
  readonly interrupted: boolean;
  readonly errno: number | null;
  /** What could not be listed without more capabilities. */
  readonly missing: readonly Family[];
}

/** A nexthop object is gone, and with it, without a message, the IPv4 routes that used it: what is known needs a dump. */
export interface NexthopGoneRecord {
  readonly kind: 'nexthop-gone';
  readonly netns: number;
}

/** The kernel answered on the socket of the notifications. */
export interface EchoRecord {
  readonly kind: 'echo';
}

/** The socket, or the line to the opener, cannot be read any more: nothing more is heard. */
export interface FailureRecord {
  readonly kind: 'failure';
  readonly errno: number;
}

export type NetlinkRecord =
  | ObjectRecord
  | NetnsRecord
  | NexthopGoneRecord
  | OverflowRecord
  | DumpDoneRecord
  | EchoRecord
  | FailureRecord;

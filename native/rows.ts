import type {
  AddressRecord,
  DumpDoneRecord,
  Family,
  LinkRecord,
  NeighbourRecord,
  NetlinkRecord,
  NetnsRecord,
  RouteRecord,
  RuleRecord,
} from './records.ts';

/** In the order of `Kind` in `src/records.hh`. */
export const FAMILIES: readonly Family[] = ['link', 'address', 'route', 'neighbour', 'rule'];
const Kind = {
  link: 0,
  address: 1,
  route: 2,
  neighbour: 3,
  rule: 4,
  netns: 5,
  overflow: 6,
  dumpDone: 7,
  echo: 8,
  nexthopGone: 9,
} as const;

/** Columns of the header, as `Column` in `src/records.hh`. */
const KIND = 0;
const PRESENT = 1;
const NETNS = 2;
const MESSAGE_TYPE = 3;
const MESSAGE_FLAGS = 4;
const MESSAGE_SEQUENCE = 5;
const MESSAGE_PID = 6;
const DUMP = 7;
const PAYLOAD = 8;
// The records that are no messages reuse columns of the header.
const DROPPED = MESSAGE_TYPE;
const INTERRUPTED = MESSAGE_FLAGS;
const CODE = MESSAGE_SEQUENCE;
const MISSING = MESSAGE_PID;

export const COLUMNS = PAYLOAD + 28;

const CHANGES = ['found', 'named', 'gone', 'listed'] as const;

/** A bit for each of `families`, as the reader takes them. */
export function kindsOf(families: readonly Family[]): number {
  return families.reduce((kinds, family) => kinds | (1 << FAMILIES.indexOf(family)), 0);
}

export function familiesOf(kinds: number): Family[] {
  return FAMILIES.filter((_, kind) => (kinds & (1 << kind)) !== 0);
}

/** The rows of integers that a batch crosses as, and the different strings in them. The columns are read by their place. */
export class Rows {
  readonly cells: Int32Array;
  readonly strings: string[] = [];
  #row = 0;
  #present = 0;

  constructor(rows: number) {
    this.cells = new Int32Array(COLUMNS * rows);
  }

  record(row: number): NetlinkRecord {
    this.#row = row * COLUMNS;
    this.#present = this.#signed(PRESENT);
    switch (this.#signed(KIND)) {
      case Kind.link:
        return this.#link();
      case Kind.address:
        return this.#address();
      case Kind.route:
        return this.#route();
      case Kind.neighbour:
        return this.#neighbour();
      case Kind.rule:
        return this.#rule();
      case Kind.netns:
        return this.#netns();
      case Kind.overflow:
        return { kind: 'overflow', dropped: this.#unsigned(DROPPED) };
      case Kind.dumpDone:
        return this.#dumpDone();
      case Kind.echo:
        return { kind: 'echo' };
      case Kind.nexthopGone:
        return { kind: 'nexthop-gone', netns: this.#signed(NETNS) };
      default:
        return { kind: 'failure', errno: this.#signed(CODE) };
    }
  }

  // One literal for each kind, so that all records of a kind have one shape. The numbers are the places in the lists of
  // `src/records.hh`, which a test compares with the names here.

  #link(): LinkRecord {
    return {
      kind: 'link',
      netns: this.#signed(NETNS),
      messageType: this.#signed(MESSAGE_TYPE),
      messageFlags: this.#signed(MESSAGE_FLAGS),
      messageSequence: this.#unsigned(MESSAGE_SEQUENCE),
      messagePid: this.#unsigned(MESSAGE_PID),
      dump: this.#unsigned(DUMP) || null,
      ifindex: this.#signed(PAYLOAD),
      family: this.#signed(PAYLOAD + 1),
      deviceType: this.#signed(PAYLOAD + 2),
      flags: this.#unsigned(PAYLOAD + 3),
      change: this.#unsigned(PAYLOAD + 4),
      mtu: this.#number(5),
      operstate: this.#number(6),
      carrier: this.#number(7),
      carrierChanges: this.#number(8),
      carrierUpCount: this.#number(9),
      carrierDownCount: this.#number(10),
      master: this.#number(11),
      link: this.#number(12),
      txQueueLen: this.#number(13),
      group: this.#number(14),
      linkNetnsid: this.#integer(15),
      newNetnsid: this.#integer(16),
      newIfindex: this.#number(17),
      promiscuity: this.#number(18),
      ifname: this.#text(19),
      qdisc: this.#text(20),
      linkKind: this.#text(21),
      slaveKind: this.#text(22),
      alias: this.#text(23),
      address: this.#text(24),
      altnames: this.#text(25),
    };
  }

  #address(): AddressRecord {
    return {
      kind: 'address',
      netns: this.#signed(NETNS),
      messageType: this.#signed(MESSAGE_TYPE),
      messageFlags: this.#signed(MESSAGE_FLAGS),
      messageSequence: this.#unsigned(MESSAGE_SEQUENCE),
      messagePid: this.#unsigned(MESSAGE_PID),
      dump: this.#unsigned(DUMP) || null,
      family: this.#signed(PAYLOAD),
      ifindex: this.#signed(PAYLOAD + 1),
      prefixLength: this.#signed(PAYLOAD + 2),
      scope: this.#signed(PAYLOAD + 3),
      flags: this.#unsigned(PAYLOAD + 4),
      valid: this.#number(5),
      preferred: this.#number(6),
      metric: this.#number(7),
      protocol: this.#number(8),
      address: this.#text(9),
      local: this.#text(10),
      broadcast: this.#text(11),
      label: this.#text(12),
    };
  }

  #route(): RouteRecord {
    return {
      kind: 'route',
      netns: this.#signed(NETNS),
      messageType: this.#signed(MESSAGE_TYPE),
      messageFlags: this.#signed(MESSAGE_FLAGS),
      messageSequence: this.#unsigned(MESSAGE_SEQUENCE),
      messagePid: this.#unsigned(MESSAGE_PID),
      dump: this.#unsigned(DUMP) || null,
      family: this.#signed(PAYLOAD),
      table: this.#unsigned(PAYLOAD + 1),
      protocol: this.#signed(PAYLOAD + 2),
      scope: this.#signed(PAYLOAD + 3),
      type: this.#signed(PAYLOAD + 4),
      tos: this.#signed(PAYLOAD + 5),
      flags: this.#unsigned(PAYLOAD + 6),
      destinationLength: this.#signed(PAYLOAD + 7),
      sourceLength: this.#signed(PAYLOAD + 8),
      oif: this.#number(9),
      iif: this.#number(10),
      priority: this.#number(11),
      nexthopId: this.#number(12),
      preference: this.#number(13),
      encapsulation: this.#number(14),
      expires: this.#number(15),
      destination: this.#text(16),
      source: this.#text(17),
      gateway: this.#text(18),
      preferredSource: this.#text(19),
      metrics: this.#text(20),
      nexthops: this.#text(21),
    };
  }

  #neighbour(): NeighbourRecord {
    return {
      kind: 'neighbour',
      netns: this.#signed(NETNS),
      messageType: this.#signed(MESSAGE_TYPE),
      messageFlags: this.#signed(MESSAGE_FLAGS),
      messageSequence: this.#unsigned(MESSAGE_SEQUENCE),
      messagePid: this.#unsigned(MESSAGE_PID),
      dump: this.#unsigned(DUMP) || null,
      family: this.#signed(PAYLOAD),
      ifindex: this.#signed(PAYLOAD + 1),
      state: this.#signed(PAYLOAD + 2),
      flags: this.#signed(PAYLOAD + 3),
      type: this.#signed(PAYLOAD + 4),
      extendedFlags: this.#number(5),
      vlan: this.#number(6),
      vni: this.#number(7),
      port: this.#number(8),
      master: this.#number(9),
      probes: this.#number(10),
      protocol: this.#number(11),
      nexthopId: this.#number(12),
      destination: this.#text(13),
      lladdr: this.#text(14),
    };
  }

  #rule(): RuleRecord {
    return {
      kind: 'rule',
      netns: this.#signed(NETNS),
      messageType: this.#signed(MESSAGE_TYPE),
      messageFlags: this.#signed(MESSAGE_FLAGS),
      messageSequence: this.#unsigned(MESSAGE_SEQUENCE),
      messagePid: this.#unsigned(MESSAGE_PID),
      dump: this.#unsigned(DUMP) || null,
      family: this.#signed(PAYLOAD),
      action: this.#signed(PAYLOAD + 1),
      table: this.#unsigned(PAYLOAD + 2),
      tos: this.#signed(PAYLOAD + 3),
      flags: this.#unsigned(PAYLOAD + 4),
      destinationLength: this.#signed(PAYLOAD + 5),
      sourceLength: this.#signed(PAYLOAD + 6),
      priority: this.#unsigned(PAYLOAD + 7),
      fwmark: this.#number(8),
      fwmask: this.#number(9),
      target: this.#number(10),
      l3mdev: this.#number(11),
      suppressPrefixLength: this.#number(12),
      suppressGroup: this.#number(13),
      ipProtocol: this.#number(14),
      protocol: this.#number(15),
      dscp: this.#number(16),
      destination: this.#text(17),
      source: this.#text(18),
      iifname: this.#text(19),
      oifname: this.#text(20),
      uidRange: this.#text(21),
      sourcePorts: this.#text(22),
      destinationPorts: this.#text(23),
      tunnelId: this.#text(24),
    };
  }

  #netns(): NetnsRecord {
    return {
      kind: 'netns',
      netns: this.#signed(NETNS),
      change: CHANGES[this.#signed(PAYLOAD)] ?? 'listed',
      pid: this.#number(1),
      inode: this.#number(2),
      name: this.#text(3),
    };
  }

  #dumpDone(): DumpDoneRecord {
    return {
      kind: 'dump-done',
      dump: this.#unsigned(DUMP),
      netns: this.#signed(NETNS),
      interrupted: this.#signed(INTERRUPTED) !== 0,
      errno: this.#signed(CODE) || null,
      missing: familiesOf(this.#signed(MISSING)),
    };
  }

  #signed(column: number): number {
    return this.cells[this.#row + column] ?? 0;
  }

  #unsigned(column: number): number {
    return this.#signed(column) >>> 0;
  }

  #number(place: number): number | null {
    return (this.#present & (1 << place)) === 0 ? null : this.#unsigned(PAYLOAD + place);
  }

  #integer(place: number): number | null {
    return (this.#present & (1 << place)) === 0 ? null : this.#signed(PAYLOAD + place);
  }

  #text(place: number): string | null {
    return (this.#present & (1 << place)) === 0 ? null : (this.strings[this.#signed(PAYLOAD + place)] ?? null);
  }
}

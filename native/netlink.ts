import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';

export interface NetlinkReaderOptions {
  /** An open NETLINK_ROUTE socket that the reader owns once it is open, or `null`: it opens one in this network namespace. */
  readonly fd: number | null;
  /** Asked of the kernel, which reserves the double where it may. */
  readonly receiveBufferBytes: number;
  /** Records that wait for `read` before the thread lets the kernel's buffer fill up instead. */
  readonly queueLimit: number;
  /** On this thread, when the queue stops being empty: not again before a `read` returned fewer than asked. */
  readonly onReadable: () => void;
}

export interface NetlinkReader {
  /** Up to `max` records in order; empty when none wait. Never blocks. */
  read(max: number): NetlinkRecord[];
  /** Asks for all links: they come as records with this id, then `dump-done`. Dumps run one after the other. */
  dump(): number;
  stats(): NetlinkStats;
  /** Joins the thread, closes the socket, forgets the records that wait. Idempotent; `read` then returns none. */
  close(): void;
}

export interface NetlinkStats {
  /** Notifications taken from the kernel; rows of dumps are not counted. */
  readonly received: number;
  /** Messages that broke the format, and were skipped. */
  readonly malformed: number;
  /** Messages of other types, of other senders than the kernel, and answers that nobody waits for. */
  readonly ignored: number;
  /** What the kernel dropped for this socket since it was opened. */
  readonly dropped: number;
  /** Records that wait for `read`. */
  readonly queued: number;
  /** What the kernel counts against, overhead included: twice what it was given. */
  readonly receiveBufferBytes: number;
  /** False where the size is bounded by `net.core.rmem_max`. */
  readonly receiveBufferForced: boolean;
}

/** RTM_NEWLINK (16) or RTM_DELLINK (17). `null`: the message did not carry it. Text may hold any character but NUL. */
export interface LinkRecord {
  readonly kind: 'link';
  readonly messageType: number;
  readonly messageFlags: number;
  readonly messageSequence: number;
  readonly messagePid: number;
  /** The dump that this is a row of; `null` for a notification. */
  readonly dump: number | null;
  readonly ifindex: number;
  /** AF_UNSPEC (0), or AF_BRIDGE (7) for a message of a bridge about its port, where 17 does not mean removed. */
  readonly family: number;
  readonly deviceType: number;
  readonly flags: number;
  readonly change: number;
  readonly ifname: string | null;
  readonly mtu: number | null;
  readonly operstate: number | null;
  readonly qdisc: string | null;
  readonly address: string | null;
  readonly linkKind: string | null;
  readonly carrier: number | null;
  readonly carrierChanges: number | null;
  readonly carrierUpCount: number | null;
  readonly carrierDownCount: number | null;
  readonly master: number | null;
  /** The ifindex of the peer or of the device below. */
  readonly link: number | null;
  readonly txQueueLen: number | null;
  readonly group: number | null;
  readonly alias: string | null;
  /** The netns id of the peer, -1 where it has none. */
  readonly linkNetnsid: number | null;
}

/** The kernel dropped messages here; 0 when it reported a loss that it did not count. What is known needs a dump. */
export interface OverflowRecord {
  readonly kind: 'overflow';
  readonly dropped: number;
}

export interface DumpDoneRecord {
  readonly kind: 'dump-done';
  readonly dump: number;
  /** The links changed while they were listed: dump again. */
  readonly interrupted: boolean;
  readonly errno: number | null;
}

/** The socket cannot be read any more: nothing more is heard, and every later dump is refused. */
export interface FailureRecord {
  readonly kind: 'failure';
  readonly errno: number;
}

export type NetlinkRecord = LinkRecord | OverflowRecord | DumpDoneRecord | FailureRecord;

/** What the addon gives: the records of a batch as rows of integers and a list of the different strings in them. */
export interface NativeReader {
  fill(cells: Int32Array, strings: string[]): number;
  dump(): number;
  stats(): NetlinkStats;
  close(): void;
}

export interface NativeAddon {
  readonly NetlinkReader: new (options: NetlinkReaderOptions) => NativeReader;
  openNetlinkSocket(): number;
  tryLock(fd: number): boolean;
}

/** Same names and order as `Column` in `src/addon.cc`. */
const Column = {
  kind: 0,
  present: 1,
  messageType: 2,
  messageFlags: 3,
  messageSequence: 4,
  messagePid: 5,
  dump: 6,
  ifindex: 7,
  family: 8,
  deviceType: 9,
  flags: 10,
  change: 11,
  ifname: 12,
  mtu: 13,
  operstate: 14,
  qdisc: 15,
  address: 16,
  linkKind: 17,
  carrier: 18,
  carrierChanges: 19,
  carrierUpCount: 20,
  carrierDownCount: 21,
  master: 22,
  link: 23,
  txQueueLen: 24,
  group: 25,
  alias: 26,
  linkNetnsid: 27,
} as const;

const COLUMNS = 28;
const BATCH_ROWS = 512;

const Kind = { link: 0, overflow: 1, dumpDone: 2, failure: 3 } as const;

/**
 * Opens a reader of link messages in this process's network namespace, or on the socket handed in. It keeps the process
 * alive until `close`. Throws `NativeUnavailableError` without the addon, `NativeError` when a system call is refused.
 */
export function openNetlinkReader(options: NetlinkReaderOptions): NetlinkReader {
  return new BatchingReader(checked(options));
}

/** A NETLINK_ROUTE socket in this process's network namespace, for a later `openNetlinkReader`. The caller closes it. */
export function openNetlinkSocket(): number {
  const addon = loadAddon();
  return translated(() => addon.openNetlinkSocket());
}

class BatchingReader implements NetlinkReader {
  readonly #native: NativeReader;
  readonly #cells = new Int32Array(COLUMNS * BATCH_ROWS);
  readonly #strings: string[] = [];

  constructor(options: NetlinkReaderOptions) {
    const addon = loadAddon();
    this.#native = translated(() => new addon.NetlinkReader(options));
  }

  read(max: number): NetlinkRecord[] {
    const records: NetlinkRecord[] = [];
    while (records.length < max) {
      const wanted = Math.min(max - records.length, BATCH_ROWS);
      const cells = wanted === BATCH_ROWS ? this.#cells : this.#cells.subarray(0, wanted * COLUMNS);
      const count = this.#native.fill(cells, this.#strings);
      for (let row = 0; row < count; row += 1) records.push(toRecord(this.#cells, row * COLUMNS, this.#strings));
      if (count < wanted) break;
    }
    return records;
  }

  dump(): number {
    return translated(() => this.#native.dump());
  }

  stats(): NetlinkStats {
    return this.#native.stats();
  }

  close(): void {
    this.#native.close();
  }
}

function toRecord(cells: Int32Array, row: number, strings: readonly string[]): NetlinkRecord {
  switch (signed(cells, row + Column.kind)) {
    case Kind.link:
      return toLink(cells, row, signed(cells, row + Column.present), strings);
    case Kind.overflow:
      return { kind: 'overflow', dropped: unsigned(cells, row + Overlay.dropped) };
    case Kind.dumpDone:
      return {
        kind: 'dump-done',
        dump: unsigned(cells, row + Column.dump),
        interrupted: signed(cells, row + Overlay.interrupted) !== 0,
        errno: signed(cells, row + Overlay.errno) || null,
      };
    default:
      return { kind: 'failure', errno: signed(cells, row + Overlay.errno) };
  }
}

/** The other kinds of record reuse columns. */
const Overlay = {
  dropped: Column.messageType,
  interrupted: Column.messageFlags,
  errno: Column.messageSequence,
} as const;

/** One literal, so that all records have one shape. */
function toLink(cells: Int32Array, row: number, present: number, strings: readonly string[]): LinkRecord {
  const number = (column: number): number | null =>
    (present & (1 << column)) === 0 ? null : unsigned(cells, row + column);
  const text = (column: number): string | null =>
    (present & (1 << column)) === 0 ? null : (strings[signed(cells, row + column)] ?? null);
  return {
    kind: 'link',
    messageType: signed(cells, row + Column.messageType),
    messageFlags: signed(cells, row + Column.messageFlags),
    messageSequence: unsigned(cells, row + Column.messageSequence),
    messagePid: unsigned(cells, row + Column.messagePid),
    dump: unsigned(cells, row + Column.dump) || null,
    ifindex: signed(cells, row + Column.ifindex),
    family: signed(cells, row + Column.family),
    deviceType: signed(cells, row + Column.deviceType),
    flags: unsigned(cells, row + Column.flags),
    change: unsigned(cells, row + Column.change),
    ifname: text(Column.ifname),
    mtu: number(Column.mtu),
    operstate: number(Column.operstate),
    qdisc: text(Column.qdisc),
    address: text(Column.address),
    linkKind: text(Column.linkKind),
    carrier: number(Column.carrier),
    carrierChanges: number(Column.carrierChanges),
    carrierUpCount: number(Column.carrierUpCount),
    carrierDownCount: number(Column.carrierDownCount),
    master: number(Column.master),
    link: number(Column.link),
    txQueueLen: number(Column.txQueueLen),
    group: number(Column.group),
    alias: text(Column.alias),
    linkNetnsid: (present & (1 << Column.linkNetnsid)) === 0 ? null : signed(cells, row + Column.linkNetnsid),
  };
}

function signed(cells: Int32Array, at: number): number {
  return cells[at] ?? 0;
}

function unsigned(cells: Int32Array, at: number): number {
  return signed(cells, at) >>> 0;
}

function checked(options: NetlinkReaderOptions): NetlinkReaderOptions {
  const { fd, receiveBufferBytes, queueLimit, onReadable } = options;
  if (fd !== null && !(Number.isInteger(fd) && fd >= 0))
    throw new TypeError(`fd must be null or a descriptor, is ${fd}`);
  if (!isSize(receiveBufferBytes)) {
    throw new RangeError(`receiveBufferBytes must be an integer of 1 to 2^30, is ${receiveBufferBytes}`);
  }
  if (!isSize(queueLimit)) throw new RangeError(`queueLimit must be an integer of 1 to 2^30, is ${queueLimit}`);
  if (typeof onReadable !== 'function') throw new TypeError('onReadable must be a function');
  return options;
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 2 ** 30;
}

function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toNativeError(error);
  }
}

import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';
import type { LaunchedHelper } from './launcher.ts';
import type { NativePeer } from './peer.ts';
import type { Family, NetlinkRecord } from './records.ts';
import { COLUMNS, familiesOf, kindsOf, Rows } from './rows.ts';

export interface NetlinkReaderOptions {
  /** An open NETLINK_ROUTE socket that the reader owns once it is open, or `null`: it opens one in this network namespace. */
  readonly fd: number | null;
  /** The line to an opener (`startOpener`), which then opens the socket, of all network namespaces; `null`: of the own alone. */
  readonly opener: number | null;
  readonly families: readonly Family[];
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
  /** Asks for all objects of a network namespace (-1: the own): records with this id, then `dump-done`. One after the other. */
  dump(netns: number): number;
  /** Asks the kernel for an answer on the socket of the notifications: the record `echo`. */
  echo(): void;
  /** Asks the opener for all network namespaces: `found` for each that is news, then `listed`. */
  list(): void;
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
  /** Families whose group the kernel refused: nothing is heard of them. */
  readonly refused: readonly Family[];
  /** Why only the own network namespace is heard; `null` where all are, or no opener was given. */
  readonly allNamespacesErrno: number | null;
}

/** What the addon gives: the records of a batch as rows of integers and a list of the different strings in them. */
export interface NativeReader {
  fill(cells: Int32Array, strings: string[]): number;
  dump(netns: number): number;
  echo(): void;
  list(): void;
  stats(): Omit<NetlinkStats, 'refused' | 'allNamespacesErrno'> & {
    readonly refusedKinds: number;
    readonly allNamespacesErrno: number;
  };
  close(): void;
}

export interface NativeAddon {
  readonly NetlinkReader: new (
    options: Omit<NetlinkReaderOptions, 'families'> & { readonly kinds: number },
  ) => NativeReader;
  openNetlinkSocket(): number;
  openLine(): [number, number];
  startHelper(line: number, helper: number, lockFile: string): LaunchedHelper;
  layout(): string[][];
  tryLock(fd: number): boolean;
  peerCredentials(fd: number): NativePeer;
}

const BATCH_ROWS = 512;

/**
 * Opens a reader of the messages of `families` in this process's network namespace, on the socket handed in, or with an
 * opener in all. It keeps the process alive until `close`. Throws `NativeUnavailableError` without the addon, `NativeError`
 * when a system call is refused.
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
  readonly #rows = new Rows(BATCH_ROWS);

  constructor({ families, ...options }: NetlinkReaderOptions) {
    const addon = loadAddon();
    this.#native = translated(() => new addon.NetlinkReader({ ...options, kinds: kindsOf(families) }));
  }

  read(max: number): NetlinkRecord[] {
    const { cells, strings } = this.#rows;
    const records: NetlinkRecord[] = [];
    while (records.length < max) {
      const wanted = Math.min(max - records.length, BATCH_ROWS);
      const count = this.#native.fill(wanted === BATCH_ROWS ? cells : cells.subarray(0, wanted * COLUMNS), strings);
      for (let row = 0; row < count; row += 1) records.push(this.#rows.record(row));
      if (count < wanted) break;
    }
    return records;
  }

  dump(netns: number): number {
    return translated(() => this.#native.dump(netns));
  }

  echo(): void {
    this.#native.echo();
  }

  list(): void {
    this.#native.list();
  }

  stats(): NetlinkStats {
    const { refusedKinds, allNamespacesErrno, ...stats } = this.#native.stats();
    return { ...stats, refused: familiesOf(refusedKinds), allNamespacesErrno: allNamespacesErrno || null };
  }

  close(): void {
    this.#native.close();
  }
}

function checked(options: NetlinkReaderOptions): NetlinkReaderOptions {
  const { fd, opener, receiveBufferBytes, queueLimit, onReadable } = options;
  for (const [name, value] of Object.entries({ fd, opener })) {
    if (value !== null && !(Number.isInteger(value) && value >= 0))
      throw new TypeError(`${name} must be null or a descriptor, is ${value}`);
  }
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

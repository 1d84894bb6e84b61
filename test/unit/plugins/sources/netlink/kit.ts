/** A reader that says what the test wants, and a source on it. */
import { type Clock, type EventDraft, type Health, parseConfig } from '#core';
import type {
  DumpDoneRecord,
  LinkRecord,
  NetlinkReader,
  NetlinkReaderOptions,
  NetlinkRecord,
  NetlinkStats,
  ObjectRecord,
} from '#native';

import { createNetlink } from '../../../../../plugins/sources/netlink/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';

export const UP = 0x1;
export const LOWER_UP = 0x10000;
export const REGISTERED = 0xffffffff;
export const BRIDGE = 7;

const STATS: NetlinkStats = {
  received: 0,
  malformed: 0,
  ignored: 0,
  dropped: 0,
  queued: 0,
  receiveBufferBytes: 67_108_864,
  receiveBufferForced: true,
  refused: [],
  allNamespacesErrno: null,
};

/** A notification of a link that is down; `ifindex` 5 unless told otherwise. */
export function linkOf(parts: Partial<LinkRecord> = {}): LinkRecord {
  return {
    kind: 'link',
    netns: -1,
    messageType: 16,
    messageFlags: 0,
    messageSequence: 0,
    messagePid: 0,
    dump: null,
    ifindex: 5,
    family: 0,
    deviceType: 1,
    flags: 0x1002,
    change: 0,
    ifname: 'veth5',
    mtu: 1500,
    operstate: 2,
    qdisc: 'noop',
    address: '02:00:00:00:00:05',
    linkKind: 'veth',
    carrier: 0,
    carrierChanges: 1,
    carrierUpCount: 0,
    carrierDownCount: 1,
    master: null,
    link: 6,
    txQueueLen: 1000,
    group: 0,
    alias: null,
    linkNetnsid: null,
    newNetnsid: null,
    newIfindex: null,
    promiscuity: 0,
    slaveKind: null,
    altnames: null,
    ...parts,
  };
}

/** What a dump says of the link. */
export function rowOf<R extends ObjectRecord>(record: R, dump: number): R {
  return { ...record, dump };
}

export class FakeReader implements NetlinkReader {
  readonly options: NetlinkReaderOptions;
  dumps = 0;
  /** Of each dump, which namespace it is of. */
  readonly asked: number[] = [];
  echoes = 0;
  lists = 0;
  closed = false;
  stat: NetlinkStats = STATS;
  readonly #records: NetlinkRecord[] = [];
  #announced = false;

  constructor(options: NetlinkReaderOptions) {
    this.options = options;
  }

  /** All in one batch, announced as the contract of `onReadable` says. */
  say(...records: NetlinkRecord[]): void {
    if (this.closed) return;
    this.#records.push(...records);
    if (this.#announced) return;
    this.#announced = true;
    this.options.onReadable();
  }

  /** The rows of the newest dump, and its end. */
  answer(...rows: ObjectRecord[]): void {
    this.say(...rows.map((row) => rowOf(row, this.dumps)), this.end());
  }

  end(parts: Partial<DumpDoneRecord> = {}): DumpDoneRecord {
    const netns = this.asked.at(-1) ?? -1;
    return { kind: 'dump-done', dump: this.dumps, netns, interrupted: false, errno: null, missing: [], ...parts };
  }

  read(max: number): NetlinkRecord[] {
    const records = this.#records.splice(0, max);
    this.#announced = records.length === max;
    return records;
  }

  dump(netns = -1): number {
    this.asked.push(netns);
    return ++this.dumps;
  }

  echo(): void {
    this.echoes += 1;
  }

  list(): void {
    this.lists += 1;
  }

  stats(): NetlinkStats {
    return this.stat;
  }

  close(): void {
    this.closed = true;
    this.#records.length = 0;
  }
}

export interface Listening {
  readonly source: ReturnType<ReturnType<typeof createNetlink>['create']>;
  readonly reader: FakeReader;
  readonly clock: Clock & { advance(ms: number): void };
  readonly events: EventDraft[];
  readonly lost: number[];
  /** Troubles and their ends; not the `ok` with which a start says what it hears. */
  readonly health: Health[];
  /** Nothing that was said is left, and everything is emitted. */
  readonly settled: () => Promise<void>;
  /** Moves the time, and lets everything that waited for it go on. */
  readonly pass: (ms: number) => Promise<void>;
  /** What a batch of records becomes. */
  readonly hear: (...records: NetlinkRecord[]) => Promise<EventDraft[]>;
  /** Starts another life of the same definition. */
  readonly again: () => Promise<Starting>;
}

export interface Starting extends Listening {
  readonly started: Promise<void>;
  readonly giveUp: (reason: Error) => void;
}

export interface ListenOptions {
  readonly stat?: Partial<NetlinkStats>;
  readonly emit?: (events: readonly EventDraft[]) => Promise<void>;
  readonly config?: object;
}

/** A source that was started, with its first dump unanswered. */
export async function starting(options: ListenOptions = {}): Promise<Starting> {
  const readers: FakeReader[] = [];
  const definition = createNetlink(
    (readerOptions) => {
      const reader = new FakeReader(readerOptions);
      reader.stat = { ...STATS, ...options.stat };
      readers.push(reader);
      return reader;
    },
    () => ({ fd: 3, close: () => undefined }),
  );
  return startLife(definition, readers, options);
}

async function startLife(
  definition: ReturnType<typeof createNetlink>,
  readers: readonly FakeReader[],
  options: ListenOptions,
): Promise<Starting> {
  const { emit, config } = options;
  const clock = manualClock();
  const events: EventDraft[] = [];
  const lost: number[] = [];
  const health: Health[] = [];
  const source = definition.create(
    parseConfig(definition.config, { namespaces: 'own', settleTimes: [], ...config }, 'source "netlink"'),
    {
      node: 'node-1',
      clock,
      log: silentLog,
      emit: async (some) => {
        await emit?.(some);
        events.push(...some);
      },
      memory: memoryOf(),
      ...unasked,
      lost: (_reason, count) => void lost.push(count),
      report: (some) => {
        if (some.status !== 'ok' || health.length > 0) health.push(some);
      },
    },
  );
  const patience = new AbortController();
  const giveUp = (reason: Error) => patience.abort(reason);
  const started = source.start?.(patience.signal) ?? Promise.resolve();
  started.catch(() => undefined);
  const reader = readers.at(-1);
  if (!reader) throw new Error('the source opened no reader');
  const settled = () => turns(20);
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  const hear = async (...records: NetlinkRecord[]) => {
    const before = events.length;
    reader.say(...records);
    await settled();
    return events.slice(before);
  };
  const again = () => startLife(definition, readers, options);
  return { source, reader, clock, events, lost, health, settled, pass, hear, again, started, giveUp };
}

/** A source that knows these. */
export async function listening(known: readonly ObjectRecord[] = [], options: ListenOptions = {}): Promise<Listening> {
  const all = await starting(options);
  all.reader.answer(...known);
  await all.started;
  await all.settled();
  return all;
}

export function typesOf(events: readonly EventDraft[]): string[] {
  return events.map(({ type }) => type.replace('netlink.', ''));
}

export function attributeOf(event: EventDraft | undefined, name: string) {
  return event?.attributes[`netlink.${name}`];
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

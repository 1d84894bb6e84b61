import { setImmediate as nextTurn } from 'node:timers/promises';

import { AppError, type Component, type EventDraft, type Infer, type SourceContext } from '#core';
import type {
  DumpDoneRecord,
  NetlinkReader,
  NetlinkReaderOptions,
  NetlinkRecord,
  NetnsRecord,
  ObjectRecord,
  Opener,
} from '#native';

import type { Change } from './change.ts';
import type { config } from './config.ts';
import { Drafts } from './drafts.ts';
import { Gaps } from './gaps.ts';
import { Hearing } from './hearing.ts';
import type { NamespaceName } from './namespace.ts';
import { type Known, type KnownNamespace, Namespaces } from './namespaces.ts';
import { failureOf, openLine, type OpenedLine } from './opened-line.ts';
import { Transitions } from './transitions.ts';

/** Records taken from the reader at a time, so that nothing holds the event loop for more than a moment. */
const BATCH = 128;
/** So long for the list of what exists. */
const START_MS = 30_000;

export interface NetlinkSourceOptions {
  readonly config: Infer<typeof config>;
  readonly context: SourceContext;
  readonly openReader: (options: NetlinkReaderOptions) => NetlinkReader;
  readonly startOpener: () => Opener;
  /** Where a life that fails leaves what it knew to the next one of the same node. */
  readonly known: Map<string, Known>;
}

/** One life of the source: reader to events, with dumps after every overflow so that nothing is missed silently. */
export class NetlinkSource implements Component {
  readonly #options: NetlinkSourceOptions;
  readonly #halt = new AbortController();
  readonly #namespaces: Namespaces;
  readonly #transitions: Transitions;
  readonly #drafts: Drafts;
  readonly #hearing: Hearing;
  readonly #gaps: Gaps;
  readonly #ready = Promise.withResolvers<void>();
  #line: OpenedLine | null = null;
  /** All namespaces that exist were told. */
  #listed = false;
  #isReady = false;
  #running = false;
  /** Some links have stayed as they are for long enough. */
  #due = false;
  #pumping: Promise<void> = Promise.resolve();

  constructor(options: NetlinkSourceOptions) {
    this.#options = options;
    const { context, config } = options;
    const { clock } = context;
    const { signal } = this.#halt;
    const onError = (error: unknown): void => this.#fail(error);
    this.#drafts = new Drafts(clock);
    this.#gaps = new Gaps(config, context);
    this.#namespaces = new Namespaces({ clock, signal, dump: (nsid) => this.#reader().dump(nsid), onError });
    this.#transitions = new Transitions({
      settleMs: [...config.settleTimes].sort((a, b) => a - b),
      flapCount: config.flapCount,
      flapWindowMs: config.flapWindow,
      now: () => clock.monotonic(),
      wakeAfter: (ms) => void clock.sleep(ms, signal).then(() => this.#settle(), onError),
    });
    this.#hearing = new Hearing({
      clock,
      signal,
      test: () => this.#reader().echo(),
      busy: () => this.#running,
    });
    this.#ready.promise.catch(() => undefined);
  }

  /** Ready once everything that exists is known. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#line = openLine({ ...this.#options, onReadable: () => this.#pump() });
    const aborted = (): void => this.#ready.reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    try {
      await this.#inherit();
      this.#namespaces.own.resync();
      this.#listed = !this.#line.hearsAll;
      if (this.#line.hearsAll) this.#line.reader.list();
      this.#hearing.run().catch((error: unknown) => this.#fail(error));
      this.#limitStart();
      await this.#ready.promise;
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
      throw error;
    } finally {
      signal.removeEventListener('abort', aborted);
    }
    this.#tellGaps();
    await this.#snapshot();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    this.#line?.close();
    await this.#pumping;
  }

  #reader(): NetlinkReader {
    if (!this.#line) throw new Error('there is no reader');
    return this.#line.reader;
  }

  /** After a life that failed: what went by until now is a loss like any other, and the first dumps tell the differences. */
  async #inherit(): Promise<void> {
    const { context, known } = this.#options;
    const left = known.get(context.node);
    if (!left) return;
    known.delete(context.node);
    this.#namespaces.inherit(left);
    this.#namespaces.own.suspect(0);
    this.#drafts.beginBatch();
    await context.emit([this.#drafts.overflow(0)]);
  }

  #limitStart(): void {
    const late = new AppError('PEER_UNAVAILABLE', `the kernel did not list what exists within ${START_MS / 1000} s`);
    const { clock } = this.#options.context;
    clock.sleep(START_MS, this.#halt.signal).then(
      () => this.#isReady || this.#fail(late),
      () => undefined,
    );
  }

  async #snapshot(): Promise<void> {
    const { config, context } = this.#options;
    if (!config.snapshot) return;
    for (const { name, tables } of this.#namespaces.all()) {
      let events: EventDraft[] = [];
      this.#drafts.beginBatch();
      for (const change of tables.objects()) {
        events.push(this.#drafts.snapshot(change, name));
        if (events.length < BATCH) continue;
        await context.emit(events);
        events = [];
      }
      if (events.length > 0) await context.emit(events);
    }
  }

  #fail(error: unknown): void {
    if (this.#halt.signal.aborted) return;
    this.#halt.abort();
    this.#ready.reject(error);
    const { context, known } = this.#options;
    known.set(context.node, this.#namespaces.known);
    context.report({ status: 'failed', error });
  }

  #settle(): void {
    this.#due = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#running || this.#halt.signal.aborted) return;
    this.#running = true;
    this.#pumping = this.#run().catch((error: unknown) => this.#fail(error));
  }

  async #run(): Promise<void> {
    for (;;) {
      const records = this.#halt.signal.aborted ? [] : (this.#line?.reader.read(BATCH) ?? []);
      const due = this.#due && !this.#halt.signal.aborted;
      if (records.length === 0 && !due) {
        // In the same turn as the empty read: the next wake-up finds the pump at rest.
        this.#running = false;
        return;
      }
      this.#due = false;
      await this.#take(records, due);
      await nextTurn();
    }
  }

  /** The losses of a batch are told as one, after what was heard. */
  async #take(records: readonly NetlinkRecord[], due: boolean): Promise<void> {
    const { emit, lost } = this.#options.context;
    const events: EventDraft[] = [];
    let dropped: number | null = null;
    let failure: number | null = null;
    this.#drafts.beginBatch();
    for (const record of records) {
      if (record.kind === 'netns') this.#netns(record, events);
      else if (record.kind === 'dump-done') this.#dumped(record, events);
      else if (record.kind === 'echo') this.#hearing.proven();
      else if (record.kind === 'nexthop-gone') this.#namespaces.get(record.netns)?.doubtRoutes();
      else if (record.kind === 'failure') failure = record.errno;
      else if (record.kind === 'overflow') {
        dropped = (dropped ?? 0) + record.dropped;
        for (const namespace of this.#namespaces.all()) namespace.distrust();
      } else this.#object(record, events);
    }
    if (due) events.push(...this.#transitions.due(this.#drafts));
    if (events.length > 0) await emit(events);
    if (dropped !== null) {
      if (dropped > 0) lost('overflow', dropped);
      await emit([this.#drafts.overflow(dropped)]);
      this.#resyncAll(dropped);
    }
    if (failure !== null) throw failureOf(failure);
  }

  #resyncAll(lost: number): void {
    for (const namespace of this.#namespaces.all()) {
      namespace.suspect(lost);
      namespace.resync();
    }
    // Whatever came or went may have been among the lost.
    if (this.#line?.hearsAll) this.#line.reader.list();
  }

  #object(record: ObjectRecord, events: EventDraft[]): void {
    this.#hearing.heard();
    const namespace = this.#namespaces.get(record.netns);
    if (!namespace) return;
    if (record.dump !== null) {
      this.#differ(namespace.name, namespace.dumped(record), events);
      return;
    }
    const change = namespace.notified(record);
    if (change.repeats && this.#options.config.repeats === 'suppress') return;
    events.push(this.#drafts.notified(change, namespace.name));
    this.#turned(namespace.name, change, events);
  }

  #netns(record: NetnsRecord, events: EventDraft[]): void {
    if (record.change === 'listed') this.#allListed(events);
    else if (record.change === 'gone') this.#gone(record.netns, events);
    else if (record.change === 'found' || !this.#namespaces.named(record)) {
      this.#gone(record.netns, events);
      this.#found(record, events);
    }
  }

  #found(record: NetnsRecord, events: EventDraft[]): void {
    const { namespace, isKnown, isNews, replaced } = this.#namespaces.found(record);
    if (replaced) this.#vanished(replaced, events);
    if (isKnown) namespace.suspect(0);
    if (isNews) events.push(this.#drafts.namespaceAdded(namespace.name));
    namespace.resync();
  }

  #gone(nsid: number, events: EventDraft[]): void {
    const namespace = this.#namespaces.remove(nsid);
    if (!namespace) return;
    this.#vanished(namespace, events);
    this.#tellGaps();
  }

  #vanished({ name, tables }: KnownNamespace, events: EventDraft[]): void {
    this.#differ(name, tables.clear(), events);
    events.push(this.#drafts.namespaceDeleted(name, tables.listed));
  }

  #allListed(events: EventDraft[]): void {
    this.#listed = true;
    for (const vanished of this.#namespaces.completed()) this.#vanished(vanished, events);
    this.#becomeReady();
  }

  #dumped(record: DumpDoneRecord, events: EventDraft[]): void {
    const namespace = this.#namespaces.get(record.netns);
    const resync = namespace?.finished(record);
    if (namespace) this.#tellGaps();
    if (namespace && resync) {
      this.#differ(namespace.name, resync.found, events);
      const { lost, differences, first } = resync;
      if (lost !== null || (differences > 0 && !first))
        events.push(this.#drafts.resynced(lost, differences, namespace.name));
    }
    this.#becomeReady();
  }

  /** The own namespace must be known whole; of another, which may be gone by now, one answer is enough. */
  #becomeReady(): void {
    if (this.#isReady || !this.#listed) return;
    if (!this.#namespaces.own.whole || ![...this.#namespaces.all()].every(({ listed }) => listed)) return;
    this.#isReady = true;
    this.#ready.resolve();
  }

  #tellGaps(): void {
    if (this.#isReady && this.#line) this.#gaps.tell(this.#line, this.#namespaces.all());
  }

  /** Changes without messages of their own. */
  #differ(name: NamespaceName, found: readonly Change[], events: EventDraft[]): void {
    for (const change of found) {
      events.push(this.#drafts.difference(change, name));
      this.#turned(name, change, events);
    }
  }

  #turned(namespace: NamespaceName, change: Change, events: EventDraft[]): void {
    const standing = change.type === 'link-up' ? 'up' : change.type === 'link-down' ? 'down' : null;
    if (standing === null && change.type !== 'link-deleted') return;
    const ifindex = Number(change.attributes['netlink.link.ifindex']);
    const link = { namespace, ifname: change.ifname, ifindex };
    if (standing === null) return this.#transitions.gone(link);
    const flapping = this.#transitions.turned(link, standing, this.#drafts);
    if (flapping) events.push(flapping);
  }
}

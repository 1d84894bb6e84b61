import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Component, EventDraft, SourceContext } from '#core';
import type { DumpDoneRecord, LinkRecord, NetlinkReader, NetlinkReaderOptions, NetlinkRecord } from '#native';

import { Drafts } from './drafts.ts';
import { Dumps } from './dumps.ts';
import { Hearing } from './hearing.ts';
import type { LinkEvent } from './link-event.ts';
import { LinkTable } from './links.ts';

/** Records taken from the reader at a time, so that nothing holds the event loop for more than a moment. */
const BATCH = 128;
/** Records that wait in the reader before it leaves them to the kernel's buffer. */
const QUEUE_LIMIT = 65_536;

export interface NetlinkSourceOptions {
  readonly receiveBuffer: number;
  readonly context: SourceContext;
  readonly openReader: (options: NetlinkReaderOptions) => NetlinkReader;
  /** Where a life that fails leaves its links to the next one of the same node. */
  readonly known: Map<string, LinkTable>;
}

/** One life of the source: reader to events, with a dump after every overflow so that nothing is missed silently. */
export class NetlinkSource implements Component {
  readonly #options: NetlinkSourceOptions;
  readonly #halt = new AbortController();
  #links = new LinkTable();
  readonly #drafts: Drafts;
  readonly #dumps: Dumps;
  readonly #hearing: Hearing;
  readonly #ready = Promise.withResolvers<void>();
  #reader: NetlinkReader | null = null;
  #running = false;
  #pumping: Promise<void> = Promise.resolve();
  /** Lost since the last whole dump; null: nothing, not even what the kernel did not count. */
  #lost: number | null = null;
  /** Told since the last whole dump. */
  #differences = 0;

  constructor(options: NetlinkSourceOptions) {
    this.#options = options;
    const { clock } = options.context;
    const { signal } = this.#halt;
    this.#drafts = new Drafts(clock);
    this.#dumps = new Dumps({ clock, signal, ask: () => this.#dump(), onError: (error) => this.#fail(error) });
    this.#hearing = new Hearing({
      clock,
      signal,
      test: () => this.#dumps.request(),
      busy: () => this.#running,
    });
    this.#ready.promise.catch(() => undefined);
  }

  /** Ready once every link that exists is known. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { receiveBuffer, openReader } = this.#options;
    this.#reader = openReader({
      fd: null,
      receiveBufferBytes: receiveBuffer,
      queueLimit: QUEUE_LIMIT,
      onReadable: () => this.#pump(),
    });
    const aborted = (): void => this.#ready.reject(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    try {
      await this.#inherit();
      this.#dumps.request();
      this.#hearing.run().catch((error: unknown) => this.#fail(error));
      await this.#ready.promise;
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
      throw error;
    } finally {
      signal.removeEventListener('abort', aborted);
    }
    this.#tellBuffer(this.#reader);
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    this.#reader?.close();
    await this.#pumping;
  }

  /** After a life that failed: what went by until now is a loss like any other, and the first dump tells the differences. */
  async #inherit(): Promise<void> {
    const { context, known } = this.#options;
    const links = known.get(context.node);
    if (!links) return;
    known.delete(context.node);
    this.#links = links;
    this.#lost = 0;
    this.#drafts.beginBatch();
    await context.emit([this.#drafts.overflow(0)]);
  }

  #tellBuffer(reader: NetlinkReader): void {
    const { receiveBuffer, context } = this.#options;
    // The kernel reserves the double of what is asked, where it may.
    const given = reader.stats().receiveBufferBytes / 2;
    if (given >= receiveBuffer) return;
    const remedy = 'needs CAP_NET_ADMIN or a larger net.core.rmem_max';
    const reason = `receive buffer is ${given} bytes instead of ${receiveBuffer} (${remedy}): bursts may be lost, and are then told`;
    context.report({ status: 'degraded', reason });
  }

  #fail(error: unknown): void {
    if (this.#halt.signal.aborted) return;
    this.#halt.abort();
    this.#ready.reject(error);
    const { context, known } = this.#options;
    known.set(context.node, this.#links);
    context.report({ status: 'failed', error });
  }

  #pump(): void {
    if (this.#running || this.#halt.signal.aborted) return;
    this.#running = true;
    this.#pumping = this.#run().catch((error: unknown) => this.#fail(error));
  }

  async #run(): Promise<void> {
    for (;;) {
      const records = this.#halt.signal.aborted ? [] : (this.#reader?.read(BATCH) ?? []);
      if (records.length === 0) {
        // In the same turn as the empty read: the next wake-up finds the pump at rest.
        this.#running = false;
        return;
      }
      await this.#take(records);
      await nextTurn();
    }
  }

  /** The losses of a batch are told as one, after what was heard. */
  async #take(records: readonly NetlinkRecord[]): Promise<void> {
    const { emit, lost } = this.#options.context;
    const events: EventDraft[] = [];
    let dropped: number | null = null;
    let failure: number | null = null;
    this.#drafts.beginBatch();
    for (const record of records) {
      if (record.kind === 'link') this.#link(record, events);
      else if (record.kind === 'dump-done') this.#dumped(record, events);
      else if (record.kind === 'overflow') {
        dropped = (dropped ?? 0) + record.dropped;
        this.#dumps.distrust();
      } else failure = record.errno;
    }
    if (events.length > 0) await emit(events);
    if (dropped !== null) {
      if (dropped > 0) lost('overflow', dropped);
      await emit([this.#drafts.overflow(dropped)]);
      this.#lost = (this.#lost ?? 0) + dropped;
      this.#dumps.request();
    }
    if (failure !== null) throw new Error(`the netlink socket failed with error number ${failure}`);
  }

  #link(record: LinkRecord, events: EventDraft[]): void {
    this.#hearing.heard();
    if (record.dump === null) events.push(this.#drafts.link(this.#links.notified(record)));
    else if (this.#dumps.isCurrent(record.dump)) this.#differ(this.#links.dumped(record), events);
  }

  #dump(): number {
    if (!this.#reader) throw new Error('there is no reader');
    this.#links.beginDump();
    return this.#reader.dump();
  }

  #dumped(record: DumpDoneRecord, events: EventDraft[]): void {
    if (record.errno === null) this.#hearing.proven();
    if (!this.#dumps.finished(record)) return;
    this.#differ(this.#links.endDump(), events);
    this.#ready.resolve();
    if (this.#lost !== null || this.#differences > 0) events.push(this.#drafts.resynced(this.#lost, this.#differences));
    this.#lost = null;
    this.#differences = 0;
  }

  #differ(found: readonly LinkEvent[], events: EventDraft[]): void {
    this.#differences += found.length;
    for (const event of found) events.push(this.#drafts.difference(event));
  }
}

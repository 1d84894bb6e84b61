import type { Attributes, Component, EventDraft, SourceContext } from '#core';
import type { NetlinkReader, NetlinkReaderOptions, NetlinkRecord } from '#native';

import { type LinkEvent, LinkTable } from './links.ts';

/** Records taken from the reader at a time, so that nothing holds the event loop for more than a moment. */
const BATCH = 256;
/** Records that wait in the reader before it leaves them to the kernel's buffer. */
const QUEUE_LIMIT = 65_536;
const LINK_EVENT = 1;

/** One life of the source: reader to events, with a dump after every overflow so that nothing is missed silently. */
export class NetlinkSource implements Component {
  readonly #receiveBuffer: number;
  readonly #context: SourceContext;
  readonly #openReader: (options: NetlinkReaderOptions) => NetlinkReader;
  readonly #links = new LinkTable();
  readonly #ready = Promise.withResolvers<void>();
  #reader: NetlinkReader | null = null;
  #sequence = 0;
  /** The dump under way. */
  #dumping: number | null = null;
  /** A dump that ran beside an overflow proves nothing: another follows. */
  #dumpAgain = false;
  /** Messages lost since the last whole dump; null: none, not even uncounted ones. */
  #lost: number | null = null;
  #differences = 0;
  #running = false;
  #pumping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    receiveBuffer: number,
    context: SourceContext,
    openReader: (options: NetlinkReaderOptions) => NetlinkReader,
  ) {
    this.#receiveBuffer = receiveBuffer;
    this.#context = context;
    this.#openReader = openReader;
  }

  /** Ready once every link that exists is known. */
  async start(signal: AbortSignal): Promise<void> {
    const onReadable = (): void => this.#pump();
    const options = { fd: null, receiveBufferBytes: this.#receiveBuffer, queueLimit: QUEUE_LIMIT, onReadable };
    this.#reader = this.#openReader(options);
    signal.addEventListener('abort', () => this.#ready.reject(new Error('stopped while starting')), { once: true });
    this.#dump();
    await this.#ready.promise;
    const { receiveBufferForced, receiveBufferBytes } = this.#reader.stats();
    if (!receiveBufferForced && receiveBufferBytes < this.#receiveBuffer) {
      const reason = `receive buffer is ${receiveBufferBytes} bytes instead of ${this.#receiveBuffer} (needs CAP_NET_ADMIN or a larger net.core.rmem_max): bursts may be lost, and are then told`;
      this.#context.report({ status: 'degraded', reason });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.promise.catch(() => undefined);
    this.#reader?.close();
    await this.#pumping;
  }

  #pump(): void {
    if (this.#running) return;
    this.#running = true;
    this.#pumping = this.#run().catch((error: unknown) => {
      this.#ready.reject(error);
      if (!this.#stopped) this.#context.report({ status: 'failed', error });
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      const records = this.#stopped ? [] : (this.#reader?.read(BATCH) ?? []);
      if (records.length === 0) {
        // In the same turn as the empty read: the next wake-up finds the pump at rest.
        this.#running = false;
        return;
      }
      const time = Date.now();
      const events: EventDraft[] = [];
      for (const record of records) this.#take(record, time, events);
      if (events.length > 0) await this.#context.emit(events);
    }
  }

  #take(record: NetlinkRecord, time: number, events: EventDraft[]): void {
    switch (record.kind) {
      case 'link': {
        if (record.dump === null) {
          events.push(this.#event(this.#links.notified(record), time));
          return;
        }
        const difference = record.dump === this.#dumping ? this.#links.dumped(record) : null;
        if (difference) events.push(this.#difference(difference, time));
        return;
      }
      case 'overflow':
        this.#overflow(record.dropped, time, events);
        return;
      case 'dump-done':
        if (record.dump === this.#dumping) this.#dumped(record.interrupted || record.errno !== null, time, events);
        return;
      default:
        throw new Error(`the netlink socket failed with error number ${record.errno}`);
    }
  }

  #overflow(dropped: number, time: number, events: EventDraft[]): void {
    this.#sequence += dropped;
    this.#lost = (this.#lost ?? 0) + dropped;
    if (dropped > 0) this.#context.lost('overflow', dropped);
    events.push(
      this.#notice('netlink.overflow', `${dropped} messages lost`, time, { 'netlink.overflow.lost': dropped }),
    );
    if (this.#dumping === null) this.#dump();
    else this.#dumpAgain = true;
  }

  #dump(): void {
    this.#dumpAgain = false;
    this.#differences = 0;
    this.#links.beginDump();
    this.#dumping = this.#reader?.dump() ?? null;
  }

  #dumped(broken: boolean, time: number, events: EventDraft[]): void {
    if (broken || this.#dumpAgain) {
      this.#dump();
      return;
    }
    this.#dumping = null;
    for (const gone of this.#links.endDump()) events.push(this.#difference(gone, time));
    this.#ready.resolve();
    if (this.#lost === null) return;
    const found = { 'netlink.overflow.lost': this.#lost, 'netlink.resynced.differences': this.#differences };
    events.push(this.#notice('netlink.resynced', `${this.#differences} differences found`, time, found));
    this.#lost = null;
  }

  #difference(event: LinkEvent, time: number): EventDraft {
    this.#differences++;
    const { attributes } = event;
    return { ...this.#event(event, time), synthetic: true, attributes: { ...attributes, 'netlink.resynced': true } };
  }

  #event({ type, ifname, messageType, attributes }: LinkEvent, time: number): EventDraft {
    return {
      type: `netlink.${type}`,
      subject: ifname,
      time,
      sequence: ++this.#sequence,
      synthetic: false,
      interface: ifname,
      namespace: '',
      messageType,
      eventType: LINK_EVENT,
      attributes,
    };
  }

  #notice(type: string, subject: string, time: number, attributes: Attributes): EventDraft {
    return {
      type,
      subject,
      time,
      sequence: ++this.#sequence,
      synthetic: true,
      interface: '',
      namespace: '',
      messageType: 0,
      eventType: 0,
      attributes,
    };
  }
}

/** Live events to tails, as server-sent events. */
import type { ServerResponse } from 'node:http';

import type { Clock } from '#core';

import type { EventSummary } from '../store/types.ts';
import { toJson } from './json.ts';

/** Bytes that may wait for one slow reader; what comes beyond is left out and counted. */
const BUFFER_BYTES = 1 << 20;
const HEARTBEAT_MS = 15_000;

export interface TailFilter {
  readonly type?: string | undefined;
  readonly hook?: string | undefined;
  readonly node?: string | undefined;
  readonly outcome?: string | undefined;
}

type Subscribe = (listener: (event: EventSummary) => void) => () => void;

/** Whether a tail with this filter wants the event. */
export function wanted({ type, hook, node, outcome }: TailFilter, event: EventSummary): boolean {
  if (type !== undefined && event.type !== type) return false;
  if (node !== undefined && event.node !== node) return false;
  if (hook === undefined && outcome === undefined) return true;
  return event.hooks.some(
    (one) => (hook === undefined || one.hook === hook) && (outcome === undefined || one.outcome === outcome),
  );
}

/** Every open tail; the store is listened to while there is one. A reader that is too slow gets `event: omitted` with the count once it is back. */
export class EventStreams {
  readonly #clock: Clock;
  readonly #subscribe: Subscribe;
  #unsubscribe: (() => void) | null = null;
  readonly #open = new Map<ServerResponse, { readonly filter: TailFilter; omitted: number }>();
  readonly #stopped = new AbortController();

  constructor(clock: Clock, subscribe: Subscribe) {
    this.#clock = clock;
    this.#subscribe = subscribe;
  }

  /** Takes the response over until its reader goes. */
  add(response: ServerResponse, filter: TailFilter): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    response.write(': open\n\n');
    this.#open.set(response, { filter, omitted: 0 });
    this.#unsubscribe ??= this.#subscribe((event) => this.#tell(event));
    response.on('close', () => this.#remove(response));
    response.on('error', () => this.#remove(response));
  }

  /** Hands an event to every tail that wants it; never waits. */
  #tell(event: EventSummary): void {
    let text: string | undefined;
    for (const [response, tail] of this.#open) {
      if (!wanted(tail.filter, event)) continue;
      if (response.writableLength > BUFFER_BYTES) {
        tail.omitted++;
        continue;
      }
      if (tail.omitted > 0) response.write(`event: omitted\ndata: ${tail.omitted}\n\n`);
      tail.omitted = 0;
      response.write((text ??= `data: ${toJson(event)}\n\n`));
    }
  }

  /** Until `stop`: a comment line now and then, so that both ends notice when the other is gone. */
  async beat(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#clock.sleep(HEARTBEAT_MS, signal).catch(() => undefined);
      for (const response of this.#open.keys()) response.write(': beat\n\n');
    }
  }

  stop(): void {
    this.#stopped.abort();
    for (const response of this.#open.keys()) {
      response.end();
      this.#remove(response);
    }
  }

  #remove(response: ServerResponse): void {
    this.#open.delete(response);
    if (this.#open.size > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = null;
  }
}

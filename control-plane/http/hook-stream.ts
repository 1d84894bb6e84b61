/** `/hooks/stream`: events of agents over WebSocket, as they come (spec leanvibe B5, L22–L27). */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { type RawData, type WebSocket, WebSocketServer } from 'ws';

import { type Clock, errorText, type Log, parseConfig, type TrotlineEvent, Type } from '#core';

import { type HookEventView, hookEventOf } from '../agent-events.ts';
import { toJson } from './json.ts';

export const STREAM_PATH = '/hooks/stream';
/** What may wait for one client; beyond it, it is too slow and is dropped. */
const MAX_WAITING_BYTES = 4 << 20;
const MAX_CLIENTS = 1000;
const MAX_MESSAGE_BYTES = 65_536;
const PING_MS = 30_000;
/** Close codes (RFC 6455): the client sent what is none; try again later; it was too slow. */
const UNUSABLE = 1008;
const TOO_MANY = 1013;
const TOO_SLOW = 4000;

/** Keys are ANDed; a list that is there and empty lets nothing pass. */
const Filter = Type.Object(
  {
    agent_ids: Type.Optional(Type.Array(Type.String(), { maxItems: 1000 })),
    hook_types: Type.Optional(Type.Array(Type.String(), { maxItems: 1000 })),
    session_ids: Type.Optional(Type.Array(Type.String(), { maxItems: 1000 })),
    min_priority: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10, description: '1 is most urgent: 3 lets 1, 2 and 3 pass.' }),
    ),
  },
  { additionalProperties: false },
);

interface StreamFilter {
  readonly agent_ids?: readonly string[] | undefined;
  readonly hook_types?: readonly string[] | undefined;
  readonly session_ids?: readonly string[] | undefined;
  readonly min_priority?: number | undefined;
}

interface Client {
  filter: StreamFilter;
  /** Answered the last ping. */
  isAlive: boolean;
}

export interface HookStreamCounts {
  readonly clients: number;
  readonly sent: number;
  readonly filtered: number;
  readonly dropped: number;
}

export class HookStream {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, clientTracking: false });
  readonly #clients = new Map<WebSocket, Client>();
  readonly #halt = new AbortController();
  #sent = 0;
  #filtered = 0;
  #dropped = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get counts(): HookStreamCounts {
    return { clients: this.#clients.size, sent: this.#sent, filtered: this.#filtered, dropped: this.#dropped };
  }

  /** Takes a connection over whose request may read; its query is its first filter. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (client) => {
      if (this.#clients.size >= MAX_CLIENTS)
        return client.close(TOO_MANY, `${MAX_CLIENTS} clients are connected already`);
      try {
        const { searchParams } = new URL(request.url ?? '/', 'http://node');
        this.#add(client, parseConfig(Filter, filterIn(searchParams), 'query'));
      } catch (error) {
        client.close(UNUSABLE, reasonOf(error));
      }
    });
  }

  /** Hands an event to everybody who wants it; never waits, and nobody's trouble is another's. */
  tell(event: TrotlineEvent): void {
    if (this.#clients.size === 0) return;
    const view = hookEventOf(event);
    const message = toJson({ type: 'hook_event', data: view, timestamp: new Date(this.#clock.now()).toISOString() });
    for (const [client, { filter }] of this.#clients) {
      if (!passes(filter, view)) this.#filtered++;
      else if (client.bufferedAmount > MAX_WAITING_BYTES) this.#drop(client);
      else {
        client.send(message);
        this.#sent++;
      }
    }
  }

  /** Until `stop`: who does not answer a ping is gone. */
  async beat(): Promise<void> {
    const { signal } = this.#halt;
    while (!signal.aborted) {
      await this.#clock.sleep(PING_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const [socket, client] of this.#clients) {
        if (client.isAlive) socket.ping();
        else socket.terminate();
        client.isAlive = false;
      }
    }
  }

  stop(): void {
    this.#halt.abort();
    for (const client of this.#clients.keys()) {
      client.close(1001, 'the control plane stops');
      client.terminate();
    }
    this.#clients.clear();
  }

  #add(socket: WebSocket, filter: StreamFilter): void {
    const client: Client = { filter, isAlive: true };
    this.#clients.set(socket, client);
    socket.on('pong', () => (client.isAlive = true));
    socket.on('close', () => this.#clients.delete(socket));
    socket.on('error', (error) => this.#log.debug({ error: errorText(error) }, 'stream client failed'));
    socket.on('message', (data) => {
      try {
        client.filter = parseConfig(Filter, JSON.parse(textIn(data)), 'message');
      } catch (error) {
        socket.close(UNUSABLE, reasonOf(error));
      }
    });
  }

  /** Said in the close frame, which a client that reads on still gets; cut where it does not. */
  #drop(client: WebSocket): void {
    this.#dropped++;
    this.#clients.delete(client);
    this.#log.warn({ waiting: client.bufferedAmount }, 'stream client too slow, dropped');
    client.close(TOO_SLOW, `too slow: more than ${MAX_WAITING_BYTES} bytes wait`);
    this.#clock.after(1000, () => client.terminate());
  }
}

function passes(
  { agent_ids: agents, hook_types: types, session_ids: sessions, min_priority: least }: StreamFilter,
  event: HookEventView,
): boolean {
  if (agents && !agents.includes(event.agent_id)) return false;
  if (types && !types.includes(event.hook_type)) return false;
  // What belongs to no session concerns all.
  if (sessions && event.session_id !== null && !sessions.includes(event.session_id)) return false;
  return least === undefined || event.priority <= least;
}

const LISTS = new Set(['agent_ids', 'hook_types', 'session_ids']);

/** `?agent_ids=a,b&min_priority=3`. */
function filterIn(query: URLSearchParams): object {
  return Object.fromEntries(
    [...query].map(([key, value]) => {
      if (LISTS.has(key)) return [key, value === '' ? [] : value.split(',')];
      return [key, key === 'min_priority' && /^\d{1,3}$/.test(value) ? Number(value) : value];
    }),
  );
}

function textIn(data: RawData): string {
  if (Buffer.isBuffer(data)) return data.toString();
  return Array.isArray(data) ? Buffer.concat(data).toString() : Buffer.from(data).toString();
}

/** A close frame has room for 123 bytes. */
function reasonOf(error: unknown): string {
  return Buffer.from(errorText(error))
    .subarray(0, 120)
    .toString()
    .replace(/\uFFFD+$/, '');
}

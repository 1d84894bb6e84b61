/** The live stream of agent events over WebSocket (spec leanvibe B5, rows L22 to L27). */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { type RawData, type WebSocket, WebSocketServer } from 'ws';

import { AppError, type Clock, ConfigError, errorText, type Log } from '#core';

import { harmless, toJson } from '../http/json.ts';
import { parseFilter, passes, type StreamFilter } from './filter.ts';
import type { HookEvent } from './hook-event.ts';

export interface SocketLimits {
  readonly clients: number;
  /** What may wait for one client: messages, and bytes of them. */
  readonly messages: number;
  readonly bytes: number;
  /** Between two pings; who did not answer the last one is gone. */
  readonly pingMs: number;
  /** For a client that is told to go. */
  readonly graceMs: number;
}

export const SOCKET_LIMITS: SocketLimits = {
  clients: 200,
  messages: 1000,
  bytes: 4 << 20,
  pingMs: 15_000,
  graceMs: 2000,
};

/** Codes of RFC 6455 and its registry, as the docs list them. */
const CLOSE = { goingAway: 1001, refused: 1008, tooSlow: 1013 } as const;
/** A message of a client is a filter. */
const FILTER_BYTES = 64 << 10;
/** A close frame takes so many. */
const REASON_BYTES = 123;

/** Since the start, but for `clients`. */
export interface SocketCounts {
  /** Connected now. */
  readonly clients: number;
  readonly sent: number;
  readonly filtered: number;
  /** Clients that were dropped because they did not read, and messages that clients did not get. */
  readonly slow: number;
  readonly unsent: number;
  /** Clients that did not answer a ping. */
  readonly gone: number;
  /** Connections beyond the limit. */
  readonly refused: number;
}

interface Client {
  readonly socket: WebSocket;
  filter: StreamFilter;
  /** Messages that the kernel has not taken yet. */
  waiting: number;
  answered: boolean;
}

/** Every connected client. Nobody waits for any of them. */
export class HookSockets {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: SocketLimits;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: FILTER_BYTES,
  });
  readonly #clients = new Set<Client>();
  /** Told to go, and not gone yet. */
  readonly #leaving = new Set<WebSocket>();
  readonly #counts = { sent: 0, filtered: 0, slow: 0, unsent: 0, gone: 0, refused: 0 };
  #isOpen = true;
  #cancelPing: () => void = () => undefined;

  constructor(clock: Clock, log: Log, limits: Partial<SocketLimits> = {}) {
    this.#clock = clock;
    this.#log = log;
    this.#limits = { ...SOCKET_LIMITS, ...limits };
  }

  get counts(): SocketCounts {
    return { clients: this.#clients.size, ...this.#counts };
  }

  /** Switches the stream off, which tells every client to go, or on. */
  open(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (!isOpen) this.#closeAll('the stream is switched off');
  }

  /**
   * Takes the connection over. Throws PEER_UNAVAILABLE when there are as many as may be, STATE_ILLEGAL while the stream is
   * switched off: the caller still has it then.
   */
  accept(request: IncomingMessage, connection: Duplex, head: Buffer, filter: StreamFilter): void {
    if (!this.#isOpen) throw new AppError('STATE_ILLEGAL', 'the stream is switched off');
    const { clients } = this.#limits;
    if (this.#clients.size + this.#leaving.size >= clients) {
      this.#counts.refused++;
      throw new AppError('PEER_UNAVAILABLE', `${clients} clients read the stream already, no more are taken`);
    }
    this.#server.handleUpgrade(request, connection, head, (socket) => this.#add(socket, filter));
  }

  /** Hands an event to every client that wants it, in the order of calls; never waits and never throws. */
  tell(event: HookEvent): void {
    let text: Buffer | undefined;
    for (const client of this.#clients) {
      if (!passes(client.filter, event)) {
        this.#counts.filtered++;
        continue;
      }
      text ??= this.#message('hook_event', event);
      this.#send(client, text);
    }
  }

  /** Tells every client to go, and waits for none of them. */
  stop(): void {
    this.#closeAll('the control plane stops');
    for (const socket of this.#leaving) socket.terminate();
  }

  #closeAll(reason: string): void {
    for (const client of this.#clients) this.#close(client, CLOSE.goingAway, reason);
  }

  #add(socket: WebSocket, filter: StreamFilter): void {
    const client: Client = { socket, filter, waiting: 0, answered: true };
    if (this.#clients.size === 0) this.#pingLater();
    this.#clients.add(client);
    socket.on('pong', () => (client.answered = true));
    socket.on('message', (data, isBinary) => this.#received(client, data, isBinary));
    socket.on('error', (error) => this.#log.debug({ error: errorText(error) }, 'stream client failed'));
    socket.on('close', () => this.#removed(client));
  }

  /** A message is a filter: it takes the place of the one before, and what follows obeys it. */
  #received(client: Client, data: RawData, isBinary: boolean): void {
    try {
      if (isBinary) throw new AppError('MESSAGE_INVALID', 'a message is binary, expected a filter as JSON');
      client.filter = parseFilter(parsed(data), 'filter');
      this.#send(client, this.#message('filter', client.filter));
    } catch (error) {
      const issues = error instanceof ConfigError ? error.issues : [];
      this.#send(client, this.#message('error', { message: errorText(error), issues }));
      this.#close(client, CLOSE.refused, errorText(error));
    }
  }

  #send(client: Client, text: Buffer): void {
    const { messages, bytes } = this.#limits;
    const { socket, waiting } = client;
    const isFull = waiting >= messages || socket.bufferedAmount + text.length > bytes;
    if (isFull && waiting > 0) {
      this.#drop(client);
      return;
    }
    client.waiting++;
    this.#counts.sent++;
    socket.send(text, { binary: false }, (error) => {
      client.waiting--;
      if (error) this.#counts.unsent++;
    });
  }

  #drop(client: Client): void {
    const { waiting, socket } = client;
    this.#counts.slow++;
    this.#counts.unsent++;
    this.#log.warn({ waiting, bytes: socket.bufferedAmount }, 'stream client dropped: it reads too slowly');
    this.#close(client, CLOSE.tooSlow, `too slow: ${waiting} messages wait`);
  }

  /** What waits is still sent, for as long as the client may take. */
  #close(client: Client, code: number, reason: string): void {
    const { socket } = client;
    this.#clients.delete(client);
    this.#leaving.add(socket);
    socket.close(code, cut(reason));
    const cancel = this.#clock.after(this.#limits.graceMs, () => socket.terminate());
    socket.once('close', cancel);
  }

  #removed(client: Client): void {
    this.#clients.delete(client);
    this.#leaving.delete(client.socket);
    if (this.#clients.size === 0) this.#cancelPing();
  }

  #pingLater(): void {
    this.#cancelPing = this.#clock.after(this.#limits.pingMs, () => {
      for (const client of this.#clients) this.#ping(client);
      this.#pingLater();
    });
  }

  #ping(client: Client): void {
    if (client.answered) {
      client.answered = false;
      client.socket.ping();
      return;
    }
    this.#counts.gone++;
    client.socket.terminate();
  }

  #message(type: string, data: object): Buffer {
    const timestamp = new Date(this.#clock.now()).toISOString();
    return Buffer.from(harmless(toJson({ type, data, timestamp })));
  }
}

function parsed(data: RawData): unknown {
  const text = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
  try {
    return JSON.parse(text.toString());
  } catch (cause) {
    throw new AppError('MESSAGE_INVALID', `a message is no JSON: ${errorText(cause)}; expected a filter`, { cause });
  }
}

/** To what a close frame takes, between characters. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_BYTES) return reason;
  return `${bytes
    .subarray(0, REASON_BYTES - 3)
    .toString()
    .replaceAll('\ufffd', '')}…`;
}

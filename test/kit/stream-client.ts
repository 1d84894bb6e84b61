/** A reader of `/hooks/stream`, as a program of somebody else's would be. */
import { WebSocket } from 'ws';

import type { HookEvent } from '../../control-plane/stream/hook-event.ts';
import { eventually } from './eventually.ts';

export interface StreamMessage {
  readonly type: string;
  readonly data: HookEvent;
  readonly timestamp: string;
}

export class StreamClient implements AsyncDisposable {
  readonly messages: StreamMessage[] = [];
  readonly socket: WebSocket;
  /** How the connection ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.socket = new WebSocket(url, { headers });
    this.socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString())));
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** Rejects with the answer when the server does not take it. `address`: of the API. */
  static async open(
    address: string,
    token: string,
    query = '',
    more: Readonly<Record<string, string>> = {},
  ): Promise<StreamClient> {
    const headers = { ...more, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
    const client = new StreamClient(`${address.replace('http:', 'ws:')}/hooks/stream${query}`, headers);
    await new Promise<void>((resolve, reject) => {
      client.socket.on('open', resolve).on('error', reject);
      client.socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => reject(new Error(`${response.statusCode} ${text}`)));
      });
    });
    return client;
  }

  get events(): HookEvent[] {
    return this.messages.filter(({ type }) => type === 'hook_event').map(({ data }) => data);
  }

  /** Once there are so many. */
  async received(count: number): Promise<HookEvent[]> {
    return eventually(() => {
      if (this.events.length < count) throw new Error(`${this.events.length} of ${count} events`);
      return this.events;
    });
  }

  /** From when this resolves on, only what the filter passes is sent. */
  async filter(filter: object): Promise<void> {
    const before = this.messages.length;
    this.socket.send(JSON.stringify(filter));
    await eventually(() => {
      if (!this.messages.slice(before).some(({ type }) => type === 'filter')) throw new Error('no answer');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

/** An API server that is nothing but its streams: lists are short, and watches say what the bench makes, as fast as they are read. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Readonly<Record<string, unknown>>;

export class WatchServer {
  readonly #server: http.Server;
  readonly #watches = new Map<string, http.ServerResponse>();
  #lease: Json | null = null;
  #version = 1;

  constructor() {
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Whether somebody watches this collection. */
  watched(collection: string): boolean {
    return this.#watches.has(collection);
  }

  /** Says these objects; resolves when the stream can take more. */
  async say(collection: string, type: string, objects: readonly Json[]): Promise<void> {
    const response = this.#watches.get(collection);
    if (!response) throw new Error(`nobody watches ${collection}`);
    const lines = objects.map((object) => {
      const metadata = { ...(object.metadata as Json), resourceVersion: String(++this.#version) };
      return JSON.stringify({ type, object: { ...object, metadata } });
    });
    if (!response.write(`${lines.join('\n')}\n`)) await once(response, 'drain');
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://x');
    const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
    if (url.pathname.includes('/leases')) return this.#leases(request, response);
    if (url.searchParams.has('watch')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      // Pods without a node are watched too, and silent.
      if (url.searchParams.get('fieldSelector') !== 'spec.nodeName=') this.#watches.set(name, response);
      response.on('close', () => this.#watches.get(name) === response && this.#watches.delete(name));
      return;
    }
    if (!['pods', 'events', 'nodes'].includes(name)) return answer(response, 404, { kind: 'Status', code: 404 });
    return answer(response, 200, { metadata: { resourceVersion: String(this.#version) }, items: [] });
  }

  async #leases(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    if (request.method === 'GET')
      return this.#lease ? answer(response, 200, this.#lease) : answer(response, 404, { kind: 'Status', code: 404 });
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    this.#lease = JSON.parse(Buffer.concat(parts).toString('utf8')) as Json;
    return answer(response, request.method === 'POST' ? 201 : 200, this.#lease);
  }
}

function answer(response: http.ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

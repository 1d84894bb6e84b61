/** An API server that tells a recording: lists what was there at its time, watches what came. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { type Clock, isObject } from '#core';

import type { Collection, Line, Recording } from './recording.ts';

export interface ReplayOptions {
  readonly recording: Recording;
  readonly clock: Clock;
  /** Collection → so much later than recorded, milliseconds. */
  readonly delays?: Partial<Record<Collection, number>>;
  /** Every watch is closed by the server after so many lines. */
  readonly closeAfter?: number;
  /** A watch from a version that is this many lines behind is refused as gone (410). */
  readonly forgetAfter?: number;
}

interface Watch {
  readonly collection: Collection;
  readonly selects: Selector;
  readonly response: http.ServerResponse;
  /** Index of the next line. */
  next: number;
  told: number;
}

type Selector = (object: Line['object']) => boolean;

const PATHS: Readonly<Record<string, Collection>> = {
  '/api/v1/pods': 'pods',
  '/api/v1/nodes': 'nodes',
  '/api/v1/events': 'events',
};
const NAMED = /\/namespaces\/([^/]+)\/(pods|replicasets|jobs)\/([^/]+)$/;
const LEASES = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/[^/]+\/leases/;

export class ReplayServer {
  readonly #options: ReplayOptions;
  readonly #server: http.Server;
  readonly #watches = new Set<Watch>();
  readonly #leases = new Map<string, Record<string, unknown>>();
  #leaseVersion = 1;
  /** Requests by what was asked, for tests. */
  readonly asked = new Map<string, number>();
  /** Requests so far, and those among them that are not answered yet. */
  requests = 0;
  pending = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => {
      this.requests++;
      this.pending++;
      this.#answer(request, response)
        .catch((error: unknown) => response.destroy(error as Error))
        .finally(() => this.pending--);
    });
  }

  /** Resolves with its URL. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Cuts every watch, as an API server does that is restarted. */
  cut(): void {
    for (const { response } of this.#watches) response.destroy();
    this.#watches.clear();
  }

  /** Sends what the clock has reached. Returns when the next line is due, milliseconds of the recording; null: none is left. */
  pump(): number | null {
    for (const watch of this.#watches) this.#feed(watch);
    const due = (['pods', 'nodes', 'events'] as const).map((collection) => {
      const lines = this.#options.recording[collection];
      const next = lines[this.#reached(collection)];
      return next ? next.at + this.#delay(collection) : Infinity;
    });
    const soonest = Math.min(...due);
    return soonest === Infinity ? null : soonest;
  }

  #delay(collection: Collection): number {
    return this.#options.delays?.[collection] ?? 0;
  }

  /** How many lines of a collection were told by now. */
  #reached(collection: Collection, delayed = true): number {
    const until = this.#options.clock.now() - (delayed ? this.#delay(collection) : 0);
    const lines = this.#options.recording[collection];
    let low = 0;
    let high = lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((lines[middle]?.at ?? Infinity) <= until) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What is there after the first `count` lines, by uid. */
  #state(collection: Collection, count: number): Line['object'][] {
    const objects = new Map<string, Line['object']>();
    for (const { type, object } of this.#options.recording[collection].slice(0, count)) {
      const { uid } = metadataOf(object);
      if (typeof uid !== 'string') continue;
      if (type === 'DELETED') objects.delete(uid);
      else objects.set(uid, object);
    }
    return [...objects.values()];
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://replay');
    const collection = PATHS[url.pathname];
    this.asked.set(url.pathname, (this.asked.get(url.pathname) ?? 0) + 1);
    if (LEASES.test(url.pathname)) return this.#lease(request, response, url.pathname);
    const named = NAMED.exec(url.pathname);
    if (named) {
      const [, namespace = '', kind = '', name = ''] = named;
      const objects = this.#state(kind as Collection, this.#reached(kind as Collection, false));
      const found = objects.findLast(
        (object) => metadataOf(object).name === name && metadataOf(object).namespace === namespace,
      );
      return json(response, found ? 200 : 404, found ?? { kind: 'Status', message: `${kind} "${name}" not found` });
    }
    if (!collection) return json(response, 404, { kind: 'Status', message: `${url.pathname} not found` });
    const selects = selectorOf(url.searchParams.get('fieldSelector') ?? '');
    if (url.searchParams.get('watch') === 'true') {
      return this.#watch(collection, selects, Number(url.searchParams.get('resourceVersion')), response);
    }
    const reached = this.#reached(collection);
    const version = this.#version(collection, reached);
    const items = this.#state(collection, reached).filter(selects);
    json(response, 200, { kind: 'List', metadata: { resourceVersion: String(version) }, items });
  }

  #version(collection: Collection, reached: number): number {
    const lines = this.#options.recording[collection].slice(0, reached);
    return Math.max(1, ...lines.map(({ version }) => version));
  }

  #watch(collection: Collection, selects: Selector, from: number, response: http.ServerResponse): void {
    const lines = this.#options.recording[collection];
    const found = lines.findIndex(({ version }) => version > from);
    const next = found < 0 ? lines.length : found;
    if (this.#reached(collection) - next > (this.#options.forgetAfter ?? Infinity)) {
      return json(response, 410, { kind: 'Status', code: 410, message: 'too old resource version' });
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch: Watch = { collection, selects, response, next, told: 0 };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    this.#feed(watch);
  }

  #feed(watch: Watch): void {
    const lines = this.#options.recording[watch.collection];
    const reached = this.#reached(watch.collection);
    for (; watch.next < reached; watch.next++) {
      const line = lines[watch.next];
      const told = line && this.#told(watch, line);
      if (!told) continue;
      watch.response.write(`${JSON.stringify({ type: told, object: line.object })}\n`);
      if (++watch.told < (this.#options.closeAfter ?? Infinity)) continue;
      watch.next++;
      this.#watches.delete(watch);
      watch.response.end();
      return;
    }
  }

  /** As which type a line is told to one who selects; null: it is not. An object that is selected no more is DELETED. */
  #told({ collection, selects }: Watch, { type, object }: Line): string | null {
    if (selects(object)) return type;
    if (type !== 'MODIFIED') return null;
    const { uid } = metadataOf(object);
    const before = this.#options.recording[collection].find(
      (line) => line.object !== object && metadataOf(line.object).uid === uid && selects(line.object),
    );
    return before ? 'DELETED' : null;
  }

  async #lease(request: http.IncomingMessage, response: http.ServerResponse, path: string): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (request.method === 'GET') {
      const known = this.#leases.get(path);
      return json(response, known ? 200 : 404, known ?? { kind: 'Status', message: 'no such Lease' });
    }
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>;
    const metadata = metadataOf(body);
    const place = request.method === 'POST' ? `${path}/${String(metadata.name)}` : path;
    const known = this.#leases.get(place);
    if (known && metadataOf(known).resourceVersion !== metadata.resourceVersion)
      return json(response, 409, { kind: 'Status', message: 'the Lease has been modified' });
    const stored = { ...body, metadata: { ...metadata, resourceVersion: String(++this.#leaseVersion) } };
    this.#leases.set(place, stored);
    return json(response, 200, stored);
  }
}

function selectorOf(text: string): Selector {
  const node = /^spec\.nodeName=(.*)$/.exec(text)?.[1];
  if (node === undefined) return () => true;
  return (object) =>
    (isObject(object.spec) && typeof object.spec.nodeName === 'string' ? object.spec.nodeName : '') === node;
}

function metadataOf(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return isObject(object.metadata) ? object.metadata : {};
}

function json(response: http.ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

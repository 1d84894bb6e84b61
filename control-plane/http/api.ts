/** The HTTP API: loopback only, bearer tokens, JSON. The command line and the dashboard are its clients. */
import { rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { type FastifyInstance, fastify } from 'fastify';

import { AppError, type Clock, type Component, type Log, type Vocabulary } from '#core';

import type { AgentEvents } from '../agent-events.ts';
import type { Approvals } from '../approvals.ts';
import type { HookHealth } from '../hook-health.ts';
import type { HookRegistry } from '../config/hook-registry.ts';
import type { People } from '../identity/people.ts';
import type { SidecarRegistry } from '../config/sidecar-registry.ts';
import type { Store } from '../store/types.ts';
import { type AccessOptions, accessOf, isLoopbackHost, parseLoopback, readOrCreateToken } from './access.ts';
import { addApprovalRoutes } from './approval-routes.ts';
import { errorAnswer } from './errors.ts';
import { addEventRoutes } from './event-routes.ts';
import { EventStreams } from './event-stream.ts';
import { addHealthRoutes } from './health-routes.ts';
import { HookStream, STREAM_PATH } from './hook-stream.ts';
import { addHookRoutes } from './hook-routes.ts';
import { toJson } from './json.ts';
import { addStatusRoutes } from './status-routes.ts';

/** What the routes answer from. */
export interface ApiParts {
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  readonly store: Store;
  readonly approvals: Approvals;
  readonly agentEvents: AgentEvents;
  readonly hookHealth: HookHealth;
  readonly vocabulary: Vocabulary;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HttpApiOptions extends ApiParts {
  /** `127.0.0.1:7411`; port 0 takes a free one. */
  readonly listen: string;
  /** Made on the first start. */
  readonly tokenFile: string;
  /** Who else may enter, by a token of their own. Default: nobody. */
  readonly people?: People;
  /** Says where the API is, for the command line; removed on stop. */
  readonly addressFile: string;
}

/** What `addressFile` holds. */
export interface ApiAddress {
  readonly version: 1;
  readonly address: string;
  readonly pid: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Name of a person by the API server; null: a program of this machine, which says itself who it is. */
    person: string | null;
  }
}

const BODY_BYTES = 1 << 20;

export class HttpApi implements Component {
  readonly #options: HttpApiOptions;
  readonly #streams: EventStreams;
  readonly #hookStream: HookStream;
  #app: FastifyInstance | null = null;
  #beat: Promise<unknown> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;
  #address = '';

  constructor(options: HttpApiOptions) {
    this.#options = options;
    this.#hookStream = new HookStream(options.clock, options.log);
    this.#streams = new EventStreams(options.clock, (listener) => options.store.subscribe(listener));
  }

  /** `http://127.0.0.1:7411`; '' before start. */
  get address(): string {
    return this.#address;
  }

  /** After the store has started. */
  async start(): Promise<void> {
    const { listen, tokenFile, addressFile, log, people = null } = this.#options;
    const { host, port } = parseLoopback(listen);
    const token = await readOrCreateToken(tokenFile);
    const app = createApp(this.#options, this.#streams, { token, people });
    this.#app = app;
    app.server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head, { token, people }).catch(() => socket.destroy());
    });
    try {
      await app.listen({ host, port });
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!taken) throw error;
      throw new AppError('STATE_ILLEGAL', `api address ${listen} is in use; choose another with --api`, {
        cause: error,
      });
    }
    this.#address = addressOf(app.server.address());
    const content: ApiAddress = { version: 1, address: this.#address, pid: process.pid };
    await writeFile(addressFile, `${JSON.stringify(content)}\n`, { mode: 0o600 });
    this.#unsubscribe = this.#options.agentEvents.subscribe((event) => this.#hookStream.tell(event));
    this.#beat = Promise.all([this.#streams.beat(), this.#hookStream.beat()]);
    log.info({ address: this.#address }, 'api listening');
  }

  /** The same access as that of a request that reads. */
  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, access: AccessOptions): Promise<void> {
    socket.on('error', () => socket.destroy());
    const { pathname } = new URL(request.url ?? '/', 'http://node');
    if (!isLoopbackHost(request.headers.host))
      return refuseUpgrade(socket, 403, 'the Host header names another machine');
    if (pathname !== STREAM_PATH)
      return refuseUpgrade(socket, 404, `there is no stream at ${pathname}, expected ${STREAM_PATH}`);
    const asked = { method: 'GET', headers: request.headers, params: {}, routeOptions: { url: STREAM_PATH } };
    const answer = await accessOf(asked, access);
    if (answer.status !== 200) return refuseUpgrade(socket, answer.status, answer.message);
    return this.#hookStream.accept(request, socket, head);
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#streams.stop();
    this.#hookStream.stop();
    await this.#beat;
    await this.#app?.close();
    if (this.#address !== '') await rm(this.#options.addressFile, { force: true });
  }
}

/** An answer to who asks for a connection that may not be. */
function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  const text = JSON.stringify(refusal(message));
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function addressOf(bound: AddressInfo | string | null): string {
  if (typeof bound !== 'object' || bound === null) return '';
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function createApp(parts: ApiParts, streams: EventStreams, access: AccessOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    // A URL that is none never reaches a handler, and a request that is none not even the framework.
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = errorAnswer(error, parts.log);
      reply.hijack();
      reply.raw.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return;
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      const text = JSON.stringify({
        error: { code: 'USAGE', message: `no request that can be read: ${error.message}` },
      });
      const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close`;
      socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    },
  });
  app.removeContentTypeParser('text/plain');
  app.setReplySerializer(toJson);
  app.decorateRequest('person', null);
  app.addHook('onRequest', async (request, reply) => {
    if (!isLoopbackHost(request.headers.host))
      return reply.code(403).send(refusal('the Host header names another machine'));
    if (request.url === '/healthz' || /^\/health\/hooks(\?|$)/.test(request.url)) return undefined;
    const answer = await accessOf(request, access);
    if (answer.status === 200) {
      request.person = answer.person;
      return undefined;
    }
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(answer.status).send(refusal(answer.message));
  });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = errorAnswer(error, parts.log);
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: { code: 'NOT_FOUND', message: `there is no ${request.method} ${request.url}` } }),
  );
  app.get('/healthz', () => ({ status: 'ok' }));
  addHookRoutes(app, parts);
  addEventRoutes(app, parts, streams);
  addStatusRoutes(app, parts);
  addApprovalRoutes(app, parts);
  addHealthRoutes(app, parts);
  return app;
}

function refusal(message: string): object {
  return { error: { code: 'POLICY_REFUSED', message } };
}

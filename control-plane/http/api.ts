/** The HTTP API: loopback only, bearer tokens, JSON. The command line and the dashboard are its clients. */
import { rm, writeFile } from 'node:fs/promises';
import { STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';

import { type FastifyInstance, fastify } from 'fastify';

import { AppError, type Clock, type Component, type Log, type Vocabulary } from '#core';

import type { Approvals } from '../approvals.ts';
import type { HookRegistry } from '../config/hook-registry.ts';
import type { People } from '../identity/people.ts';
import type { SidecarRegistry } from '../config/sidecar-registry.ts';
import type { Store } from '../store/types.ts';
import type { AgentFeed } from '../stream/feed.ts';
import type { RedisStreams } from '../stream/redis-streams.ts';
import type { HookSockets } from '../stream/sockets.ts';
import { type AccessOptions, accessOf, parseLoopback, readOrCreateToken } from './access.ts';
import { addApprovalRoutes } from './approval-routes.ts';
import { errorAnswer, refusalBody } from './errors.ts';
import { addEventRoutes } from './event-routes.ts';
import { EventStreams } from './event-stream.ts';
import { addHealthRoutes } from './health-routes.ts';
import { addHookRoutes } from './hook-routes.ts';
import { addHookStream, isWebSocket } from './hook-stream.ts';
import { toJson } from './json.ts';
import { addSessionRoutes } from './session-routes.ts';
import { addStatusRoutes } from './status-routes.ts';

/** What the routes answer from. */
export interface ApiParts {
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  readonly store: Store;
  readonly approvals: Approvals;
  readonly sockets: HookSockets;
  readonly feed: Pick<AgentFeed, 'stages' | 'setStage' | 'healthView'>;
  /** Null: there is no Redis. */
  readonly redis: Pick<RedisStreams, 'forget'> | null;
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
  #app: FastifyInstance | null = null;
  #beat: Promise<unknown> = Promise.resolve();
  #address = '';

  constructor(options: HttpApiOptions) {
    this.#options = options;
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
    this.#beat = this.#streams.beat();
    log.info({ address: this.#address }, 'api listening');
  }

  async stop(): Promise<void> {
    this.#streams.stop();
    this.#options.sockets.stop();
    await this.#beat;
    await this.#app?.close();
    if (this.#address !== '') await rm(this.#options.addressFile, { force: true });
  }
}

function addressOf(bound: AddressInfo | string | null): string {
  if (typeof bound !== 'object' || bound === null) return '';
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

function createApp(parts: ApiParts, streams: EventStreams, access: AccessOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    forceCloseConnections: true,
    http: { shouldUpgradeCallback: isWebSocket },
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
    const answer = await accessOf(request, access);
    if (answer.status === 200) {
      request.person = answer.person;
      return undefined;
    }
    if (answer.status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(answer.status).send(refusalBody(answer.message));
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
  addSessionRoutes(app, parts);
  addHealthRoutes(app, parts);
  addHookStream(app, parts, access);
  return app;
}

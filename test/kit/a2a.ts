/** Agents over HTTP, made with the official library of A2A 1.0 or 0.3, on a free port: they do what the test says. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

import { DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import { DefaultRequestHandler as OldRequestHandler, InMemoryTaskStore as OldTaskStore } from 'a2a-sdk-0-3/server';
import {
  jsonRpcHandler as oldJsonRpcHandler,
  restHandler as oldRestHandler,
  UserBuilder as OldUserBuilder,
} from 'a2a-sdk-0-3/server/express';
import express, { type Express, type Request, type Response } from 'express';

import { type Asked, type Behaviour, type Diary, newExecutor, oldExecutor } from './a2a-executors.ts';

export type { Asked, Behaviour, EndState, Turn } from './a2a-executors.ts';

export interface AgentOptions {
  readonly version: '1.0' | '0.3';
  readonly behave: Behaviour;
  readonly binding?: 'JSONRPC' | 'HTTP+JSON';
  readonly streaming?: boolean;
  /** Where its card is; null: it has none. */
  readonly card?: string | null;
}

/** A request as it came in. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Answers in the place of what would: true when it did. */
export type Fault = (request: Request, response: Response) => boolean;

export interface HttpPeer extends AsyncDisposable {
  readonly app: Express;
  readonly server: Server;
  readonly origin: string;
  readonly seen: Seen[];
  /** Asked before each request, the first that answers; the test changes it as it goes. */
  fault: Fault;
}

/** An HTTP server without routes that notes what it is asked; with `tls` over TLS, as Node's server has it. */
export async function startPeer(host = '127.0.0.1', tls: ServerOptions | null = null): Promise<HttpPeer> {
  const app = express();
  const server = tls ? createTlsServer(tls, app) : createServer(app);
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const peer = {
    app,
    server,
    origin: `${tls ? 'https' : 'http'}://${host}:${port}`,
    seen: [] as Seen[],
    fault: (() => false) as Fault,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  app.use((request, response, next) => {
    peer.seen.push({ method: request.method, path: request.originalUrl, headers: request.headers });
    if (!peer.fault(request, response)) next();
  });
  return peer;
}

/** Puts an agent under a path; what it was asked and what was canceled stands in the diary. */
export function mountAgent({ app, origin }: HttpPeer, path: string, options: AgentOptions): Diary {
  const diary: Diary = { asked: [], canceled: [] };
  const { version, behave, binding = 'JSONRPC', streaming = false, card = '.well-known/agent-card.json' } = options;
  const url = `${origin}${path}`;
  const about = {
    name: 'test agent',
    description: 'does as told',
    version: '1',
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [],
  };
  if (version === '1.0') {
    const agentCard = {
      ...about,
      supportedInterfaces: [{ url, protocolBinding: binding, protocolVersion: '1.0', tenant: '' }],
      capabilities: { streaming, extensions: [] },
      provider: undefined,
      securitySchemes: {},
      securityRequirements: [],
      signatures: [],
    };
    const handler = new DefaultRequestHandler(agentCard, new InMemoryTaskStore(), newExecutor(behave, diary));
    const parts = { requestHandler: handler, userBuilder: UserBuilder.noAuthentication };
    if (card !== null) app.use(`${path}${card}`, agentCardHandler({ agentCardProvider: handler }));
    app.use(path, binding === 'JSONRPC' ? jsonRpcHandler(parts) : restHandler(parts));
    return diary;
  }
  const agentCard = {
    ...about,
    protocolVersion: '0.3.0',
    url,
    preferredTransport: binding,
    capabilities: { streaming },
  };
  const handler = new OldRequestHandler(agentCard, new OldTaskStore(), oldExecutor(behave, diary));
  const parts = { requestHandler: handler, userBuilder: OldUserBuilder.noAuthentication };
  if (card !== null) app.get(`${path}${card}`, (_, response) => void response.json(agentCard));
  app.use(path, binding === 'JSONRPC' ? oldJsonRpcHandler(parts) : oldRestHandler(parts));
  return diary;
}

export interface TestAgent extends AsyncDisposable {
  /** Base URL, with a slash. */
  readonly url: string;
  readonly peer: HttpPeer;
  readonly asked: Asked[];
  /** Ids of tasks. */
  readonly canceled: string[];
}

export async function startAgent(options: AgentOptions): Promise<TestAgent> {
  const peer = await startPeer();
  const diary = mountAgent(peer, '/', options);
  return { url: `${peer.origin}/`, peer, ...diary, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}

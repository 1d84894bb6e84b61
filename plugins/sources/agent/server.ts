/** HTTP for agents, on a Unix socket or a port: questions in, answers out, and nobody can hold up another. */
import { chmod, chown, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';

import { AppError, errorText, isObject } from '#core';

/** For the whole of a request to arrive. */
const REQUEST_MS = 10_000;
const HEADERS_MS = 5000;
const IDLE_MS = 60_000;
/** How often the limits above are looked at. */
const CHECK_MS = 2000;
/** Connections at a time: a client that leaks them is refused, others on their open ones go on. */
const MAX_CONNECTIONS = 4096;
const PROBE_MS = 500;

export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handle = (
  request: IncomingMessage,
  body: () => Promise<Readonly<Record<string, unknown>>>,
  /** Aborts when whoever asked is gone before the answer. */
  gone: AbortSignal,
) => Promise<Answer>;

export interface ServerOptions {
  readonly maxBodyBytes: number;
  readonly handle: Handle;
}

export function createHookServer({ maxBodyBytes, handle }: ServerOptions): Server {
  const server = createServer({
    requestTimeout: REQUEST_MS,
    headersTimeout: HEADERS_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: CHECK_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => {
    answer(request, response, handle, maxBodyBytes).catch(() => response.destroy());
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handle: Handle,
  maxBodyBytes: number,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new AppError('INTERRUPTED', 'the agent does not wait any more'));
  });
  let told: Answer;
  try {
    told = await handle(request, () => readBody(request, maxBodyBytes), gone.signal);
  } catch (error) {
    told = refusal(error);
  }
  if (response.destroyed) return;
  const text = JSON.stringify(told.body);
  response.writeHead(told.status, {
    ...told.headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    // What is left of a body that was not read must not be taken for the next request.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(text);
}

const STATUSES: Readonly<Record<string, number>> = {
  MESSAGE_INVALID: 400,
  POLICY_REFUSED: 403,
  NOT_FOUND: 404,
  PEER_UNAVAILABLE: 503,
};

function refusal(error: unknown): Answer {
  if (error instanceof BodyTooLarge) return { status: 413, body: { error: error.message } };
  const status = error instanceof AppError ? (STATUSES[error.code] ?? 500) : 500;
  const details = error instanceof AppError ? error.details : {};
  return { status, body: { error: errorText(error), ...details } };
}

class BodyTooLarge extends Error {}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > maxBytes) throw new BodyTooLarge(`the request is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return parseBody(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString());
}

function parseBody(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('MESSAGE_INVALID', `the request is no JSON: ${errorText(error)}`, {
      details: placeOf(error, text),
    });
  }
  if (isObject(value)) return value;
  throw new AppError('MESSAGE_INVALID', 'the request is JSON but no object');
}

/** Where the parser stopped: it says so itself, but for a text that ends too early. */
function placeOf(error: unknown, text: string): { line: number; column: number } {
  const position = Number(/position (\d+)/.exec(errorText(error))?.[1] ?? text.length);
  const before = text.slice(0, position).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

export interface SocketPlace {
  readonly path: string;
  readonly mode: number;
  /** Null: the sidecar's own. */
  readonly group: number | null;
}

/** A socket that a former process left is taken over; one that is served is not: that throws. */
export async function listenAt(server: Server, { path, mode, group }: SocketPlace): Promise<void> {
  if (await isServed(path)) throw new AppError('PLUGIN_START_FAILED', `another process answers at ${path}`);
  await rm(path, { force: true });
  const before = process.umask(0o177);
  try {
    await listening(server, { path });
  } finally {
    process.umask(before);
  }
  if (group !== null) await chown(path, -1, group);
  await chmod(path, mode);
}

export async function listenOn(server: Server, host: string | undefined, port: number): Promise<number> {
  await listening(server, host === undefined ? { port } : { host, port });
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function listening(server: Server, where: { path: string } | { host?: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path, timeout: PROBE_MS });
    const end = (served: boolean) => () => {
      socket.destroy();
      resolve(served);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(true));
  });
}

/** Takes nothing new; what is under way ends, or is cut when `deadline` aborts. */
export async function close(server: Server, deadline?: AbortSignal): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = (): void => server.closeAllConnections();
  if (deadline === undefined || deadline.aborted) cut();
  deadline?.addEventListener('abort', cut, { once: true });
  await closed;
}

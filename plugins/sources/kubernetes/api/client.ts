/** The few requests that a source makes. Not `@kubernetes/client-node`: that is 90 MiB (docs/decisions/kubernetes-client.md). */
import http from 'node:http';
import https from 'node:https';

import { AppError, errorText, isObject } from '#core';

import type { Access } from './access.ts';
import { jsonLines } from './json-lines.ts';

/** So long for the answer to begin. */
const ANSWER_MS = 10_000;
/** Of one answer: a page of 500 pods of the largest kind is a tenth of it. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The API server refused: `status` is HTTP's. */
export class ApiError extends AppError {
  readonly status: number;
  readonly retryAfterMs: number | null;

  constructor(status: number, message: string, retryAfterMs: number | null) {
    super('PEER_UNAVAILABLE', message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export type Json = Readonly<Record<string, unknown>>;

export interface ApiClient {
  /** Throws an ApiError, or what the connection said. */
  get(path: string, signal: AbortSignal): Promise<Json>;
  /** As `get`, with a body. */
  send(method: 'POST' | 'PUT', path: string, body: Json, signal: AbortSignal): Promise<Json>;
  /** Resolves when the server has answered; then each line is one watch event, until the server ends it. */
  watch(path: string, signal: AbortSignal): Promise<AsyncIterable<Json>>;
  close(): void;
}

export function createApiClient(access: Access): ApiClient {
  const secure = access.server.startsWith('https:');
  const { ca, cert, key, servername, insecure } = access;
  const options = { keepAlive: true, maxSockets: 16 };
  const agent = secure
    ? new https.Agent({
        ...options,
        ca,
        cert,
        key,
        rejectUnauthorized: !insecure,
        ...(servername === undefined ? {} : { servername }),
      })
    : new http.Agent(options);

  async function open(
    method: string,
    path: string,
    body: Json | null,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const token = await access.token();
    const text = body === null ? null : JSON.stringify(body);
    const headers = {
      accept: 'application/json',
      'user-agent': 'trotline-sidecar',
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const begun = Promise.withResolvers<http.IncomingMessage>();
    const request = (secure ? https : http).request(`${access.server}${path}`, { method, agent, headers, signal });
    const late = setTimeout(() => {
      request.destroy(new AppError('PEER_UNAVAILABLE', `no answer from ${access.server} within ${ANSWER_MS / 1000} s`));
    }, ANSWER_MS);
    request.once('response', begun.resolve).once('error', begun.reject);
    request.end(text ?? undefined);
    try {
      const response = await begun.promise;
      // What breaks later is told by reading it.
      request.on('error', () => undefined);
      if (response.statusCode === undefined || response.statusCode >= 300) throw await refusal(path, response);
      return response;
    } finally {
      clearTimeout(late);
    }
  }

  return {
    get: async (path, signal) => wholeOf(await open('GET', path, null, signal), path),
    send: async (method, path, body, signal) => wholeOf(await open(method, path, body, signal), path),
    watch: async (path, signal) => jsonLines(await open('GET', path, null, signal)),
    close: () => agent.destroy(),
  };
}

async function refusal(path: string, response: http.IncomingMessage): Promise<ApiError> {
  const status = response.statusCode ?? 0;
  const text = await textOf(response).catch(() => '');
  const after = Number(response.headers['retry-after']);
  return new ApiError(
    status,
    `${path} answered ${status}: ${messageOf(text)}`,
    Number.isFinite(after) ? after * 1000 : null,
  );
}

/** The message of the API server's Status object; anything else as it is, cut. */
function messageOf(text: string): string {
  try {
    const status: unknown = JSON.parse(text);
    if (isObject(status) && typeof status.message === 'string') return status.message.slice(0, 500);
  } catch {
    // Not JSON: a proxy's page.
  }
  return text.slice(0, 200) || 'no text';
}

async function wholeOf(response: http.IncomingMessage, path: string): Promise<Json> {
  const text = await textOf(response);
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (error) {
    throw new AppError('PEER_UNAVAILABLE', `${path} answered no JSON: ${errorText(error)}`);
  }
  throw new AppError('PEER_UNAVAILABLE', `${path} answered no object`);
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    const chunk = Buffer.from(part);
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new AppError('PEER_UNAVAILABLE', `the answer is larger than ${MAX_BYTES} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** One request to the node's sidecar: over its Unix socket, or over HTTP with a token. */
import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { AppError, errorText, isObject } from '#core';

export interface Connection {
  /** Default: TROTLINE_AGENT_SOCKET, else `/run/trotline/agent.sock`. */
  readonly socket?: string;
  /** In place of the socket: the address of `listen` of the source `agent`. Needs `token`. */
  readonly url?: string;
  readonly token?: string;
  /** For one answer, approvals included. Default: 60 s. */
  readonly timeoutMs?: number;
}

export type Ask = (body: object) => Promise<Readonly<Record<string, unknown>>>;

const DEFAULT_SOCKET = '/run/trotline/agent.sock';
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 4 << 20;

/** Rejects with PEER_UNAVAILABLE where no answer can be had, MESSAGE_INVALID where the node refuses the question. */
export function createAsk({ socket, url, token, timeoutMs = DEFAULT_TIMEOUT_MS }: Connection): Ask {
  const socketPath = socket ?? (process.env.TROTLINE_AGENT_SOCKET || DEFAULT_SOCKET);
  const target = new URL(`/v1/hooks/neutral?timeout=${timeoutMs / 1000}`, url ?? 'http://node');
  const isTls = target.protocol === 'https:';
  const agent = isTls ? undefined : new HttpAgent({ keepAlive: true });
  const options: RequestOptions = {
    method: 'POST',
    path: `${target.pathname}${target.search}`,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(url === undefined ? { socketPath } : { hostname: target.hostname, port: target.port }),
    ...(agent ? { agent } : {}),
  };
  return (body) => post(isTls ? httpsRequest : httpRequest, options, JSON.stringify(body), timeoutMs);
}

function post(
  request: typeof httpRequest,
  options: RequestOptions,
  body: string,
  timeoutMs: number,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (cause: unknown): void => {
      const why = signal.aborted ? `no answer in ${timeoutMs} ms` : errorText(cause);
      reject(new AppError('PEER_UNAVAILABLE', `the node's sidecar was not reached: ${why}`, { cause }));
    };
    const sent = request({ ...options, signal }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) response.destroy(new Error(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => {
        const answer = parsed(Buffer.concat(chunks).toString());
        const status = response.statusCode ?? 0;
        if (status === 200 && answer) return resolve(answer);
        const code = status >= 400 && status < 500 ? 'MESSAGE_INVALID' : 'PEER_UNAVAILABLE';
        reject(
          new AppError(
            code,
            `the node answered ${status}: ${typeof answer?.error === 'string' ? answer.error : 'no JSON'}`,
          ),
        );
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

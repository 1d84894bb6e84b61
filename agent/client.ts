/** Questions to the sidecar over connections that stay open; node:http alone. */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import { errorText, isObject, textOf } from '#core/light';

import type { Place } from './options.ts';

const PATH = '/v1/hooks?dialect=neutral';
/** Beyond, questions wait for one another. */
const MAX_CONNECTIONS = 256;
const MAX_ANSWER_BYTES = 16 << 20;
const SHOWN = 300;

export class SidecarClient {
  readonly #token: Place['token'];
  readonly #where: string;
  readonly #isTls: boolean;
  readonly #target: RequestOptions;
  readonly #path: string;

  constructor({ url, socket, token }: Place) {
    this.#token = token;
    this.#where = url?.origin ?? socket ?? '';
    this.#isTls = url?.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    const agent = this.#isTls ? new HttpsAgent(options) : new HttpAgent(options);
    const target = url === null ? { socketPath: socket ?? '' } : urlToHttpOptions(url);
    const folder = url?.pathname.replace(/\/$/, '') ?? '';
    this.#path = `${folder}${PATH}`;
    this.#target = { ...target, method: 'POST', agent };
  }

  /** The JSON of a 200. Rejects with one line that says where and why. */
  async ask(question: object, timeoutMs: number): Promise<unknown> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#answerTo(JSON.stringify(question), timeoutMs, signal);
    } catch (error) {
      const reason = signal.aborted ? `no answer within ${timeoutMs} ms` : errorText(error);
      throw new Error(`the sidecar at ${this.#where}: ${reason}`, { cause: error });
    }
  }

  /** Ends the connections; a later question opens new ones. */
  close(): void {
    const { agent } = this.#target;
    if (agent instanceof HttpAgent) agent.destroy();
  }

  async #answerTo(text: string, timeoutMs: number, signal: AbortSignal): Promise<unknown> {
    const token = await within(signal, this.#token());
    const path = `${this.#path}&timeout=${timeoutMs / 1000}`;
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    };
    for (;;) {
      const request = (this.#isTls ? httpsRequest : httpRequest)({ ...this.#target, path, headers, signal });
      try {
        return await answerTo(request, text);
      } catch (error) {
        // A connection that was kept may have ended just now, unread: then once more, on another.
        if (!request.reusedSocket || !isCut(error)) throw error;
      }
    }
  }
}

/** Whoever gives the token may never do so. */
function within<T>(signal: AbortSignal, wanted: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    Promise.resolve(wanted).then(resolve, reject);
  });
}

function isCut(error: unknown): boolean {
  return isObject(error) && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

async function answerTo(request: ClientRequest, text: string): Promise<unknown> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // It stays: what comes after the answer has begun is of no interest.
    request.once('response', resolve).on('error', reject).end(text);
  });
  const body = await read(response);
  if (response.statusCode !== 200) throw new Error(`it refused (${response.statusCode}): ${refusalIn(body)}`);
  return JSON.parse(body);
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Its `error`, else the text as it came. */
function refusalIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isObject(parsed) && textOf(parsed.error) !== '') return textOf(parsed.error).slice(0, SHOWN);
  } catch {
    // It is no JSON, so it is shown as it is.
  }
  return body.slice(0, SHOWN);
}

/** The command line's side of the HTTP API. */
import { readFile } from 'node:fs/promises';

import { AppError, ConfigError, ERROR_CODES, type ErrorCode, errorText, isObject } from '#core';

import { dataFiles } from '../config.ts';
import { isLoopbackHost } from '../http/access.ts';
import type { ApiAddress } from '../http/api.ts';
import type { ErrorBody } from '../http/errors.ts';
import type { EventSummary } from '../store/types.ts';

export type Query = Readonly<Record<string, string | number | undefined>>;

/** One control plane, found by its data folder or its address. */
export class ApiClient {
  readonly address: string;
  readonly #token: string;
  /** What to do when it does not answer. */
  readonly #advice: string;

  private constructor(address: string, token: string, advice: string) {
    this.address = address;
    this.#token = token;
    this.#advice = advice;
  }

  /** Rejects with PEER_UNAVAILABLE, saying how to start one, when none runs on this data folder. */
  static async open(data: string): Promise<ApiClient> {
    const { apiAddress, token } = dataFiles(data);
    try {
      const { address }: ApiAddress = JSON.parse(await readFile(apiAddress, 'utf8'));
      return new ApiClient(address, (await readFile(token, 'utf8')).trim(), 'start it with: trotline up --hooks DIR');
    } catch (cause) {
      const denied = cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
      throw denied ? new AppError('POLICY_REFUSED', errorText(cause), { cause }) : notRunning(data, cause);
    }
  }

  /**
   * A control plane elsewhere, as through `kubectl port-forward`, with a token of the API server: `TROTLINE_API`, and
   * `TROTLINE_TOKEN` or the file that `TROTLINE_TOKEN_FILE` names. Rejects with USAGE for what is none of these.
   */
  static async remote({ TROTLINE_API: address = '', TROTLINE_TOKEN, TROTLINE_TOKEN_FILE }: NodeJS.ProcessEnv) {
    const url = URL.parse(address);
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.host));
    if (!url || !isSafe) {
      const expected = 'expected like http://127.0.0.1:7411, or https where it is not this machine';
      throw new AppError('USAGE', `TROTLINE_API "${address}" is no address of a control plane, ${expected}`);
    }
    const token = TROTLINE_TOKEN || (await tokenIn(TROTLINE_TOKEN_FILE));
    return new ApiClient(url.origin, token, 'is TROTLINE_API right, and kubectl port-forward running?');
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#call<T>('GET', `${path}${queryText(query)}`);
  }

  send<T>(method: 'POST' | 'DELETE', path: string, body: object): Promise<T> {
    return this.#call<T>(method, path, body);
  }

  /** Live events until `signal` aborts. `onOmitted`: so many were left out because we read too slowly. */
  async *events(query: Query, signal: AbortSignal, onOmitted: (count: number) => void): AsyncGenerator<EventSummary> {
    const response = await this.#fetch('GET', `/v1/events/stream${queryText(query)}`, undefined, signal);
    if (!response.ok || !response.body) throw await failure(response);
    let rest = '';
    try {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const messages = (rest + chunk).split('\n\n');
        rest = messages.pop() ?? '';
        for (const message of messages) {
          const data = /^data: (.*)$/m.exec(message)?.[1];
          if (data === undefined) continue;
          if (message.startsWith('event: omitted')) {
            onOmitted(Number(data));
            continue;
          }
          const event: EventSummary = JSON.parse(data);
          yield event;
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#fetch(method, path, body);
    if (!response.ok) throw await failure(response);
    // Both ends are one program.
    const value: T = JSON.parse(await response.text());
    return value;
  }

  async #fetch(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    try {
      return await fetch(`${this.address}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.#token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        ...(signal ? { signal } : {}),
      });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new AppError('PEER_UNAVAILABLE', `the control plane at ${this.address} does not answer; ${this.#advice}`, {
        cause,
      });
    }
  }
}

async function tokenIn(file: string | undefined): Promise<string> {
  const needed = 'a token of the cluster (kubectl create token NAME)';
  if (file === undefined || file === '')
    throw new AppError(
      'USAGE',
      `TROTLINE_API is set without TROTLINE_TOKEN or TROTLINE_TOKEN_FILE, expected ${needed}`,
    );
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new AppError('USAGE', `TROTLINE_TOKEN_FILE ${file} cannot be read: ${errorText(cause)}`, { cause });
  });
  if (!/^\S+$/.test(text.trim()))
    throw new AppError('USAGE', `TROTLINE_TOKEN_FILE ${file} holds no token, expected ${needed}`);
  return text.trim();
}

function notRunning(data: string, cause: unknown): AppError {
  const text = `no control plane runs with the data folder ${data}; start one with: trotline up --hooks DIR (or name another folder with --data)`;
  return new AppError('PEER_UNAVAILABLE', text, { cause });
}

async function failure(response: Response): Promise<AppError> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (!isErrorBody(body)) return new AppError('PEER_UNAVAILABLE', `the control plane answered ${response.status}`);
  const { code, message, issues } = body.error;
  if (issues) return new ConfigError('request', issues);
  return new AppError(isErrorCode(code) ? code : 'STATE_ILLEGAL', message);
}

function isErrorBody(value: unknown): value is ErrorBody {
  return isObject(value) && isObject(value.error) && typeof value.error.message === 'string';
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

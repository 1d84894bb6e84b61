/** The command line's side of the HTTP API. */
import { readFile } from 'node:fs/promises';

import { AppError, ConfigError, ERROR_CODES, type ErrorCode, errorText, isObject } from '#core';

import { dataFiles } from '../config.ts';
import type { ApiAddress } from '../http/api.ts';
import type { ErrorBody } from '../http/errors.ts';
import type { EventSummary } from '../store/types.ts';

export type Query = Readonly<Record<string, string | number | undefined>>;

/** One control plane, found by its data folder. */
export class ApiClient {
  readonly address: string;
  readonly #token: string;

  private constructor(address: string, token: string) {
    this.address = address;
    this.#token = token;
  }

  /** Rejects with PEER_UNAVAILABLE, saying how to start one, when none runs on this data folder. */
  static async open(data: string): Promise<ApiClient> {
    const { apiAddress, token } = dataFiles(data);
    try {
      const { address }: ApiAddress = JSON.parse(await readFile(apiAddress, 'utf8'));
      return new ApiClient(address, (await readFile(token, 'utf8')).trim());
    } catch (cause) {
      const denied = cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
      throw denied ? new AppError('POLICY_REFUSED', errorText(cause), { cause }) : notRunning(data, cause);
    }
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
      throw new AppError(
        'PEER_UNAVAILABLE',
        `the control plane at ${this.address} does not answer; start it with: trotline up --hooks DIR`,
        { cause },
      );
    }
  }
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

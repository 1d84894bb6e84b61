/** HTTP as an agent is called: own headers, no redirects, bounded answers, and a status that says whether to try again. */
import { AppError, type Clock, type Connection, type ContextFetch } from '#core';

import { isRetryable, problemOf, retryAfterMs } from '../../http-answers.ts';
import { AgentFailure } from './failure.ts';

/** Of an answer that is no stream; the events of a stream are bounded one by one. */
const MAX_BYTES = 4 << 20;

export interface HttpOptions {
  readonly fetch: ContextFetch;
  readonly connection: Connection;
  readonly clock: Clock;
  /** With every request: credentials, identity. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Rejects with an AgentFailure, or with the signal's reason when that aborted. */
export function createHttp({ fetch, connection, clock, headers }: HttpOptions): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : input;
    const all = new Headers(init.headers);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers: all, redirect: 'manual', connection });
    } catch (error) {
      init.signal?.throwIfAborted();
      if (error instanceof AppError && error.code === 'POLICY_REFUSED')
        throw new AgentFailure('rejected', error.message);
      throw new AgentFailure('retry', `agent not reached: ${problemOf(error)}`);
    }
    const { status } = response;
    if (isRetryable(status) || (status >= 300 && status < 400)) {
      await response.body?.cancel().catch(() => undefined);
      if (!isRetryable(status))
        throw new AgentFailure('rejected', `agent answered ${status}: redirects are not followed`);
      const afterMs = retryAfterMs(response.headers.get('retry-after'), clock.now());
      throw new AgentFailure('retry', `agent answered ${status}`, { afterMs });
    }
    return bounded(response, init.signal ?? null);
  };
}

function bounded(response: Response, signal: AbortSignal | null): Response {
  const { body, status, statusText, headers } = response;
  if (body === null) return response;
  const isStream = headers.get('content-type')?.startsWith('text/event-stream') === true;
  const limited = ReadableStream.from(limit(body, isStream ? Infinity : MAX_BYTES, signal));
  return new Response(limited, { status, statusText, headers });
}

async function* limit(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  signal: AbortSignal | null,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw new AgentFailure('rejected', `answer has more than ${maxBytes >> 20} MiB`);
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof AgentFailure) throw error;
    throw new AgentFailure('retry', `answer broke off: ${problemOf(error)}`);
  }
}

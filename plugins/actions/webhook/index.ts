/** Posts each event as a signed CloudEvent to one HTTP endpoint. Config, permissions and risks: ./README.md. */
import {
  type Action,
  type ActionContext,
  AppError,
  defineAction,
  durationText,
  errorText,
  type Infer,
  type Result,
} from '#core';

import { Breaker } from '../../breaker.ts';
import { problemOf } from '../../http-answers.ts';
import { askEndpoint, nobodyWaits, questionText } from '../../judges.ts';
import { concealer, missingSecrets } from '../../secrets.ts';
import { readAnswer } from './answer.ts';
import { config } from './config.ts';
import { Batches, type Post } from './batch.ts';
import { createHeaders, createRequests } from './request.ts';

/** Requests to one origin. */
const AT_ONCE = 8;

export const webhook = defineAction({
  type: 'webhook',
  stability: 'experimental',
  config,
  // As many as the host has connections to one origin: the timeout is the endpoint's, not the line's before it.
  // An event that waits for its batch needs no place: batches have places of their own.
  places: ({ url, batch }) => (batch ? null : { of: new URL(url).origin, count: AT_ONCE }),
  create: (options, context) => {
    const missing = missingSecrets(config, options);
    const reason = missing.length > 0 ? `secret unavailable: ${missing.join(', ')}` : null;
    if (options.protocol === 'claude-http') return judging(options, context, reason);
    if (reason !== null) {
      return { handle: async () => ({ status: 'retry', reason }) };
    }
    const post = poster(options, context);
    if (options.batch) {
      const headersOf = createHeaders(options, context.clock);
      return new Batches({ batch: options.batch, headersOf, post, atOnce: AT_ONCE, context });
    }
    const requestOf = createRequests(options, context.clock);
    return { handle: (event, attempt) => post(requestOf(event, attempt), attempt.signal) };
  },
});

/** Sends a request when the endpoint's breaker lets it; never throws because of the signal. */
function poster(options: Infer<typeof config>, context: ActionContext): Post {
  const { url, timeout } = options;
  const conceal = concealer(config, options);
  const breaker = new Breaker(context.clock);
  return async (request, signal) => {
    try {
      const result = await breaker.run(() => postOnce(url, request, timeout, signal, context));
      return result.output === undefined ? result : { ...result, output: conceal(result.output) };
    } catch (error) {
      if (!signal.aborted) throw error;
      return { status: 'retry', reason: `aborted: ${errorText(signal.reason)}` };
    }
  };
}

/** An endpoint that judges, in the form of Claude Code's `type: http` hooks. */
function judging(options: Infer<typeof config>, context: ActionContext, unavailable: string | null): Action {
  const { url, timeout: timeoutMs, batch } = options;
  if (batch)
    throw new AppError(
      'CONFIG_INVALID',
      'webhook: `batch` is for events that are told, `protocol: claude-http` judges',
    );
  if (unavailable !== null) return { handle: async (event) => nobodyWaits(event), judge: () => cannot(unavailable) };
  const headersOf = createHeaders(options, context.clock);
  return {
    handle: async (event) => nobodyWaits(event),
    judge(question, { deliveryId, signal }) {
      const body = questionText(question);
      const { traceparent } = question.event;
      const headers = headersOf(body, 'application/json', {
        deliveryId,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
      return askEndpoint(context, { url, headers, timeoutMs }, body, { signal });
    },
  };
}

function cannot(why: string): never {
  throw new AppError('PEER_UNAVAILABLE', why);
}

/** Throws only when the attempt was aborted: that says nothing about the endpoint. */
async function postOnce(
  url: string,
  request: RequestInit,
  timeoutMs: number,
  signal: AbortSignal,
  { clock, fetch }: ActionContext,
): Promise<Result> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const started = clock.monotonic();
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.any([signal, timeout]) });
    return await readAnswer(response, url, clock.monotonic() - started, clock.now());
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError && error.code === 'POLICY_REFUSED') {
      return { status: 'rejected', reason: error.message };
    }
    if (timeout.aborted) return { status: 'retry', reason: `no answer in ${durationText(timeoutMs)}`, timedOut: true };
    return { status: 'retry', reason: `endpoint not reached: ${problemOf(error)}` };
  }
}

/** Posts each event as a signed CloudEvent to one HTTP endpoint. Config, permissions and risks: ./README.md. */
import {
  type Action,
  type ActionContext,
  AppError,
  type Attempt,
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
import { createHeaders, createRequests } from './request.ts';

/** Requests to one origin. */
const AT_ONCE = 8;

export const webhook = defineAction({
  type: 'webhook',
  stability: 'experimental',
  config,
  // As many as the host has connections to one origin: the timeout is the endpoint's, not the line's before it.
  places: ({ url }) => ({ of: new URL(url).origin, count: AT_ONCE }),
  create: (options, context) => {
    const missing = missingSecrets(config, options);
    const reason = missing.length > 0 ? `secret unavailable: ${missing.join(', ')}` : null;
    if (options.protocol === 'claude-http') return judging(options, context, reason);
    if (reason !== null) {
      return { handle: async () => ({ status: 'retry', reason }) };
    }
    const requestOf = createRequests(options, context.clock);
    const conceal = concealer(config, options);
    const breaker = new Breaker(context.clock);
    return {
      async handle(event, attempt) {
        const request = requestOf(event, attempt);
        const post = () => postOnce(options.url, request, options.timeout, attempt, context);
        try {
          const result = await breaker.run(post);
          return result.output === undefined ? result : { ...result, output: conceal(result.output) };
        } catch (error) {
          if (!attempt.signal.aborted) throw error;
          return { status: 'retry', reason: `aborted: ${errorText(attempt.signal.reason)}` };
        }
      },
    };
  },
});

/** An endpoint that judges, in the form of Claude Code's `type: http` hooks. */
function judging(options: Infer<typeof config>, context: ActionContext, unavailable: string | null): Action {
  const { url, timeout: timeoutMs } = options;
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
  attempt: Attempt,
  { clock, fetch }: ActionContext,
): Promise<Result> {
  attempt.signal.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const started = clock.monotonic();
  try {
    const response = await fetch(url, { ...request, signal: AbortSignal.any([attempt.signal, timeout]) });
    return await readAnswer(response, url, clock.monotonic() - started, clock.now());
  } catch (error) {
    attempt.signal.throwIfAborted();
    if (error instanceof AppError && error.code === 'POLICY_REFUSED') {
      return { status: 'rejected', reason: error.message };
    }
    if (timeout.aborted) return { status: 'retry', reason: `no answer in ${durationText(timeoutMs)}`, timedOut: true };
    return { status: 'retry', reason: `endpoint not reached: ${problemOf(error)}` };
  }
}

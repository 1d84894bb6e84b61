/** Asks an agent over A2A and follows its task to the end. Config, permissions and risks: ./README.md. */
import { type ActionContext, type Attempt, defineAction, errorText, type Infer, type TrotlineEvent } from '#core';

import { Breaker } from '../../breaker.ts';
import { concealer, missingSecrets } from '../../secrets.ts';
import { config } from './config.ts';
import { targetOf } from './connect.ts';
import { Conversations } from './conversation.ts';
import { createHttp } from './http.ts';

/** Tasks of one agent. */
const AT_ONCE = 8;
/** A task under way holds a connection, and is asked for or canceled over another. */
const CONNECTIONS = 4 * AT_ONCE;

export const a2a = defineAction({
  type: 'a2a',
  stability: 'experimental',
  config,
  // By agent, not by server: one that is slow holds up its own events alone.
  places: (options) => ({ of: targetOf(options).url, count: AT_ONCE }),
  create: (options, context) => {
    const missing = missingSecrets(config, options);
    if (missing.length > 0) {
      const reason = `secret unavailable: ${missing.join(', ')}`;
      return { handle: async () => ({ status: 'retry', reason }) };
    }
    const conceal = concealer(config, options);
    const breaker = new Breaker(context.clock);
    const conversations = new Conversations(options, context, httpOf(options, context));
    return {
      async handle(event: TrotlineEvent, attempt: Attempt) {
        try {
          const result = await breaker.run(() => conversations.hold(event, attempt));
          return {
            ...result,
            ...(result.status === 'delivered' ? {} : { reason: conceal(result.reason) }),
            ...(result.output === undefined ? {} : { output: conceal(result.output) }),
          };
        } catch (error) {
          if (!attempt.signal.aborted) throw error;
          return { status: 'retry', reason: `aborted: ${errorText(attempt.signal.reason)}` };
        }
      },
    };
  },
});

function httpOf(options: Infer<typeof config>, { fetch, clock }: ActionContext): typeof globalThis.fetch {
  const { kagent, bearer, apiKey, tls = {}, proxy } = options;
  const headers = {
    ...(kagent ? { 'x-user-id': kagent.userId } : {}),
    ...(typeof bearer === 'string' ? { authorization: `Bearer ${bearer}` } : {}),
    ...(typeof apiKey?.value === 'string' ? { [apiKey.header]: apiKey.value } : {}),
  };
  const connection = {
    ...(typeof tls.ca === 'string' ? { ca: tls.ca } : {}),
    ...(typeof tls.cert === 'string' ? { cert: tls.cert } : {}),
    ...(typeof tls.key === 'string' ? { key: tls.key } : {}),
    ...(proxy === undefined ? {} : { proxy }),
    atOnce: CONNECTIONS,
  };
  return createHttp({ fetch, clock, connection, headers });
}

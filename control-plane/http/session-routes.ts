import type { FastifyInstance } from 'fastify';

import { AppError, errorText, parseConfig } from '#core';

import type { Forgotten, Session } from '../store/types.ts';
import type { ApiParts } from './api.ts';
import { ForgetBody, numbers, SessionQuery, SessionsQuery, whoOf } from './inputs.ts';

/** What `forget` has deleted; `redis` null: there is none. */
export interface ForgottenView extends Forgotten {
  readonly redis: number | null;
}

/** `/v1/sessions`: what agents did, session by session, and how it is forgotten. */
export function addSessionRoutes(app: FastifyInstance, { store, redis, log }: ApiParts): void {
  app.get('/v1/sessions', async ({ query }): Promise<Session[]> => {
    const { limit } = parseConfig(SessionsQuery, numbers(query), 'query');
    await store.summarise();
    return store.sessions(limit);
  });
  app.get('/v1/session', async ({ query }): Promise<Session> => {
    const { session } = parseConfig(SessionQuery, query, 'query');
    await store.summarise();
    const found = await store.session(session);
    if (found) return found;
    throw new AppError('NOT_FOUND', `there is no session "${session}"`);
  });
  app.post('/v1/sessions/forget', async ({ body, person }): Promise<ForgottenView> => {
    const { session, ...said } = parseConfig(ForgetBody, body ?? {}, 'body');
    const forgotten = await store.forgetSession({ session, who: whoOf({ person, body: said }) });
    if (!redis) return { ...forgotten, redis: null };
    try {
      return { ...forgotten, redis: await redis.forget(session) };
    } catch (error) {
      log.warn({ error: errorText(error) }, 'a session is not forgotten in redis');
      const done = `${forgotten.events} events are forgotten here`;
      throw new AppError('PEER_UNAVAILABLE', `${done}, but Redis is away: forget it again when it is back`);
    }
  });
}

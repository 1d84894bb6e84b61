import type { FastifyInstance } from 'fastify';

import { AppError, parseConfig, type Vocabulary } from '#core';

import type { EventQuery } from '../store/types.ts';
import type { ApiParts } from './api.ts';
import type { EventStreams, TailFilter } from './event-stream.ts';
import { EventsQuery, numbers, StreamQuery } from './inputs.ts';
import { canonicalType, fullHookId } from './names.ts';

/** `/v1/events`: the history and the live stream. */
export function addEventRoutes(app: FastifyInstance, { store, vocabulary }: ApiParts, streams: EventStreams): void {
  app.get('/v1/events', ({ query }) => {
    const given = parseConfig(EventsQuery, numbers(query), 'query');
    return store.events(canonical(given, vocabulary));
  });
  app.get('/v1/events/stream', ({ query }, reply) => {
    const filter = canonical(parseConfig(StreamQuery, query, 'query'), vocabulary);
    reply.hijack();
    streams.add(reply.raw, filter);
  });
  app.get<{ Params: { id: string } }>('/v1/events/:id', async ({ params: { id } }) => {
    const found = await store.event(id);
    if (!found) throw new AppError('NOT_FOUND', `there is no event with the id "${id}"`);
    return found;
  });
}

function canonical<Q extends TailFilter & EventQuery>(query: Q, vocabulary: Vocabulary): Q {
  return {
    ...query,
    ...(query.type === undefined ? {} : { type: canonicalType(query.type, vocabulary) }),
    ...(query.hook === undefined ? {} : { hook: fullHookId(query.hook) }),
  };
}

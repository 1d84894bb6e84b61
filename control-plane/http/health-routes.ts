import type { FastifyInstance } from 'fastify';

import { objectOf } from '#core';

import type { ApiParts } from './api.ts';

/** For everybody who reaches the API, as `/healthz`: counts, and nothing of what agents did. */
export function addHealthRoutes(app: FastifyInstance, { hookHealth }: ApiParts): void {
  app.get('/health/hooks', async ({ query }, reply) => {
    const view = hookHealth.view();
    // `curl -f` looks at the status alone.
    const isProbe = objectOf(query).probe !== undefined;
    return reply.code(isProbe && view.status === 'degraded' ? 503 : 200).send(view);
  });
}

import type { FastifyInstance } from 'fastify';

import { parseConfig } from '#core';

import type { ApiParts } from './api.ts';
import { AuditQuery, numbers } from './inputs.ts';
import { sidecarView, storedHealth } from './views.ts';

/** Sidecars, ledger, statistics, audit. */
export function addStatusRoutes(app: FastifyInstance, { hooks, sidecars, store }: ApiParts): void {
  app.get('/v1/sidecars', async () => {
    const ledger = await store.ledger();
    const { set } = hooks.current;
    return sidecars
      .list()
      .map((one) => sidecarView(one, set, sidecars.health(one.sidecarId) ?? storedHealth(one, ledger)));
  });
  app.get('/v1/ledger', () => store.ledger());
  app.get('/v1/stats', () => store.stats());
  app.get('/v1/audit', ({ query }) => store.audit(parseConfig(AuditQuery, numbers(query), 'query').limit));
}

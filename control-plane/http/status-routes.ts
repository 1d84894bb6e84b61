import type { FastifyInstance } from 'fastify';

import { hookId, parseConfig } from '#core';

import type { ApiParts } from './api.ts';
import { AuditQuery, HookName, numbers, whoOf } from './inputs.ts';
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
  app.delete('/v1/stats', (request) => store.resetStats(null, whoOf(request)));
  app.delete('/v1/stats/:namespace/:name', async ({ params, person, body }) => {
    const id = hookId(parseConfig(HookName, params, 'path'));
    const who = whoOf({ person, body });
    // A hook that is gone may have left some.
    if (!(await store.stats()).some(({ hook }) => hook === id)) hooks.hook(id);
    return store.resetStats(id, who);
  });
  app.get('/v1/audit', ({ query }) => store.audit(parseConfig(AuditQuery, numbers(query), 'query').limit));
}

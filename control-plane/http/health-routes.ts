import type { FastifyInstance } from 'fastify';

import { AppError, didYouMean, objectOf, parseConfig } from '#core';

import type { StageView } from '../stream/feed.ts';
import { type Stage, STAGES } from '../stream/settings.ts';
import type { ApiParts } from './api.ts';
import { StageBody, whoOf } from './inputs.ts';

/** `/health/hooks`, for everybody who reaches the API, as `/healthz`: counts, and nothing of what agents did. And `/v1/stages`. */
export function addHealthRoutes(app: FastifyInstance, { feed, store }: ApiParts): void {
  app.get('/health/hooks', async ({ query }, reply) => {
    const view = feed.healthView();
    // `curl -f` looks at the status alone.
    const isProbe = objectOf(query).probe !== undefined;
    return reply.code(isProbe && view.status === 'degraded' ? 503 : 200).send(view);
  });
  app.get('/v1/stages', () => feed.stages);
  app.post('/v1/stages/:stage', async ({ params, body, person }): Promise<readonly StageView[]> => {
    const stage = stageNamed(objectOf(params).stage);
    const { enabled, ...said } = parseConfig(StageBody, body ?? {}, 'body');
    const who = whoOf({ person, body: said });
    await store.note({ who, act: 'stage', subject: stage, detail: `enabled: ${enabled}` });
    await feed.setStage(stage, enabled);
    return feed.stages;
  });
}

function stageNamed(name: unknown): Stage {
  const found = STAGES.find((stage) => stage === name);
  if (found !== undefined) return found;
  const text = String(name);
  throw new AppError('NOT_FOUND', `unknown stage "${text}"${didYouMean(text, STAGES)}; known: ${STAGES.join(', ')}`);
}

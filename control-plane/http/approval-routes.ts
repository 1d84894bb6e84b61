import type { FastifyInstance, FastifyRequest } from 'fastify';

import { parseConfig } from '#core';

import type { Approval } from '../store/types.ts';
import type { ApiParts } from './api.ts';
import { ApprovalId, ApprovalsQuery, DecisionBody, numbers, whoOf } from './inputs.ts';

/** `/v1/approvals`: what waits for a person, and their answers. */
export function addApprovalRoutes(app: FastifyInstance, { approvals }: ApiParts): void {
  const decide =
    (state: 'approved' | 'rejected') =>
    (request: FastifyRequest): Promise<Approval> => {
      const { id } = parseConfig(ApprovalId, request.params, 'path');
      const { why, ...said } = parseConfig(DecisionBody, request.body ?? {}, 'body');
      return approvals.settle({ id, state, who: whoOf({ person: request.person, body: said }), why });
    };

  app.get('/v1/approvals', ({ query }) => {
    const { state, limit } = parseConfig(ApprovalsQuery, numbers(query), 'query');
    return approvals.list({ state: state === 'all' ? null : state, limit });
  });
  app.post('/v1/approvals/:id/approve', decide('approved'));
  app.post('/v1/approvals/:id/reject', decide('rejected'));
}

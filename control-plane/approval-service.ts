/** ApprovalService: sidecars ask it for what a person has to decide. */
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';

import { AppError, type Log } from '#core';
import {
  type ApprovalServiceServer,
  ApprovalServiceService,
  ApprovalState,
  type AwaitRequest,
  type AwaitResponse,
} from '#proto';

import type { Approvals } from './approvals.ts';
import { checkNode } from './identity/authenticate.ts';
import { type GrpcService, statusOf } from './server.ts';
import type { Approval, ApprovalRequest } from './store/types.ts';

/** Characters of one text; sidecars send less. */
const LONGEST_TEXT = 20_000;
const LONGEST_WAIT_MS = 86_400_000n;

const STATES: Readonly<Record<Approval['state'], ApprovalState>> = {
  pending: ApprovalState.APPROVAL_STATE_UNSPECIFIED,
  approved: ApprovalState.APPROVAL_STATE_APPROVED,
  rejected: ApprovalState.APPROVAL_STATE_REJECTED,
  expired: ApprovalState.APPROVAL_STATE_EXPIRED,
  withdrawn: ApprovalState.APPROVAL_STATE_WITHDRAWN,
};

export function createApprovalService(approvals: Approvals, log: Log): GrpcService {
  const answering =
    <Request, Response>(answer: (request: Request, signal: AbortSignal) => Promise<Response>) =>
    (call: ServerUnaryCall<Request & { readonly node: string }, Response>, reply: sendUnaryData<Response>): void => {
      const gone = new AbortController();
      call.once('cancelled', () => gone.abort(new AppError('INTERRUPTED', 'the sidecar does not wait any more')));
      Promise.resolve(call.request)
        .then((request) => {
          checkNode(call.metadata, request.node);
          return answer(request, gone.signal);
        })
        .then(
          (response) => reply(null, response),
          (error: unknown) => gone.signal.aborted || reply(statusOf(error, log)),
        );
    };
  const handlers: ApprovalServiceServer = {
    await: answering(async (request: AwaitRequest, signal): Promise<AwaitResponse> => {
      const { state, who, why } = await approvals.await(requestOf(request), signal);
      return { state: STATES[state], who, why };
    }),
    withdraw: answering(async ({ id, node }: { readonly id: string; readonly node: string }) => {
      await approvals.settle({ id, state: 'withdrawn', node, who: node, why: 'the agent does not wait any more' });
      return {};
    }),
  };
  return { definition: ApprovalServiceService, implementation: { ...handlers } };
}

function requestOf({ id, hook, node, asked, waitMs, ...rest }: AwaitRequest): ApprovalRequest {
  if (id === '' || hook === '' || waitMs === 0n || waitMs > LONGEST_WAIT_MS)
    throw new AppError('MESSAGE_INVALID', 'an approval needs id, hook and a wait of at most a day');
  const texts = [id, hook, asked, ...Object.values(rest)];
  if (texts.some((text) => text.length > LONGEST_TEXT))
    throw new AppError('MESSAGE_INVALID', `a text of approval ${id.slice(0, 80)} is longer than ${LONGEST_TEXT}`);
  return { id, hook, node, asked: { ...rest, text: asked }, waitMs: Number(waitMs) };
}

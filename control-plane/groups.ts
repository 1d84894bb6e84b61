/** GroupService: which events are one incident (`spec.group` of a hook). */
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';

import { AppError, type Log } from '#core';
import { type GroupServiceServer, GroupServiceService } from '#proto';

import { type GrpcService, statusOf } from './server.ts';
import type { Store } from './store/index.ts';

/** Characters of one member; sidecars send less. */
const LONGEST_MEMBER = 1024;

export function createGroupService(store: Store, log: Log): GrpcService {
  const answering =
    <Request, Response>(answer: (request: Request) => Promise<Response>) =>
    ({ request }: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>): void => {
      Promise.resolve(request)
        .then(answer)
        .then(
          (response) => reply(null, response),
          (error: unknown) => reply(statusOf(error, log)),
        );
    };
  const handlers: GroupServiceServer = {
    join: answering(({ key, budget, member, incidents, perMs }) => {
      if (key === '' || budget === '' || member === '' || member.length > LONGEST_MEMBER)
        throw new AppError('MESSAGE_INVALID', `needs key, budget and a member of 1 to ${LONGEST_MEMBER} characters`);
      const limit = incidents === 0n ? null : { incidents: Number(incidents), perMs: Number(perMs) };
      return store.join({ key, budget, member, limit });
    }),
    members: answering(async ({ key }) => {
      const { count, members } = await store.members(key);
      return { count, members: [...members] };
    }),
    end: answering(async ({ key, windowMs }) => {
      await store.endIncident(key, Number(windowMs));
      return {};
    }),
  };
  return { definition: GroupServiceService, implementation: { ...handlers } };
}

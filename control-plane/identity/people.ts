/** People of a cluster: known by their Kubernetes token, allowed what the API server would let them do with EventHooks. */
import { createHash } from 'node:crypto';

import { AppError, type Clock, errorText, objectOf } from '#core';

import type { Json, KubernetesApi, OpenKubernetesApi } from '../kubernetes/api.ts';
import { remembered } from './remembered.ts';
import { type Reviewed, reviewToken } from './token-review.ts';

/** What somebody has to be allowed for EventHooks; without a name for all of the namespace, without a namespace for all. */
export interface Need {
  readonly verb: 'get' | 'list' | 'update';
  readonly namespace: string;
  readonly name: string;
}

/** Somebody whom the API server knows. */
export interface Person {
  /** `jane`, `system:serviceaccount:ops:bot`. */
  readonly username: string;
  /** Throws PEER_UNAVAILABLE where the API server cannot be asked. */
  may(need: Need): Promise<boolean>;
}

export interface People {
  /** Null: nobody whom the API server knows. Throws PEER_UNAVAILABLE where it cannot be asked. */
  known(token: string): Promise<Person | null>;
}

/** How long an answer of the API server holds: a token or right that was taken away works so long at most. */
const KNOWN_MS = 10_000;

/** By TokenReview and SubjectAccessReview. */
export function kubernetesPeople(open: OpenKubernetesApi, clock: Clock): People {
  const persons = remembered<Reviewed>(clock, KNOWN_MS);
  const rights = remembered<boolean>(clock, KNOWN_MS);
  return {
    async known(token) {
      const digest = createHash('sha256').update(token).digest('hex');
      try {
        const { username, user } = await persons(digest, async () => reviewToken(await open(), token));
        const may = (need: Need): Promise<boolean> =>
          rights(JSON.stringify([digest, need]), async () => isAllowed(await open(), user, need));
        return { username, may };
      } catch (error) {
        if (error instanceof AppError && error.code === 'POLICY_REFUSED') return null;
        throw error;
      }
    },
  };
}

async function isAllowed(api: KubernetesApi, { username, uid, groups, extra }: Json, need: Need): Promise<boolean> {
  const resourceAttributes = { group: 'trotline.dev', resource: 'eventhooks', ...need };
  const answer = await api
    .request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, resourceAttributes },
    })
    .catch((cause: unknown) => {
      throw new AppError('PEER_UNAVAILABLE', `no SubjectAccessReview: ${errorText(cause)}`, { cause });
    });
  return objectOf(answer.status).allowed === true;
}

/** A sidecar proves its node by a projected service-account token: TokenReview names the pod, the pod its node. */
import { AppError, errorText, objectOf } from '#core';

import type { Json, KubernetesApi } from '../kubernetes/api.ts';
import type { Caller, VerifyToken } from './verifier.ts';

/** Audience of the tokens: one that was made for something else is no sidecar's. */
export const AUDIENCE = 'trotline';
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

export interface TokenReviewOptions {
  readonly api: KubernetesApi;
  /** `namespace:name` of the service accounts that sidecars run as. */
  readonly serviceAccounts: ReadonlySet<string>;
}

export function tokenReviewVerifier({ api, serviceAccounts }: TokenReviewOptions): VerifyToken {
  return async (token) => {
    const { username, user } = await reviewToken(api, token, AUDIENCE);
    const extra = objectOf(user.extra);
    const pod = first(extra[POD_NAME]);
    const account = username.replace(/^system:serviceaccount:/, '');
    if (account === username || !serviceAccounts.has(account))
      throw new AppError('POLICY_REFUSED', `${username} is no service account of sidecars`);
    const [namespace = ''] = account.split(':');
    if (pod === '')
      throw new AppError('POLICY_REFUSED', `the token of ${account} names no pod, expected a projected one`);
    return { node: await nodeOf(api, namespace, pod, first(extra[POD_UID])) };
  };
}

/** Whoever the API server knows by a token. */
export interface Reviewed {
  readonly username: string;
  /** As the answer has it: `username`, `uid`, `groups`, `extra`. */
  readonly user: Json;
}

/** By the audience of the API server itself, or by a named one. Throws POLICY_REFUSED, PEER_UNAVAILABLE where it cannot be asked. */
export async function reviewToken(api: KubernetesApi, token: string, audience?: string): Promise<Reviewed> {
  const spec = audience === undefined ? { token } : { token, audiences: [audience] };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
  const answer = await api
    .request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', body)
    .catch((cause: unknown) => {
      throw new AppError('PEER_UNAVAILABLE', `no TokenReview: ${errorText(cause)}`, { cause });
    });
  const status = objectOf(answer.status);
  const user = objectOf(status.user);
  const audiences = Array.isArray(status.audiences) ? status.audiences : [];
  const isMeant = audience === undefined || audiences.includes(audience);
  if (status.authenticated !== true || !isMeant || typeof user.username !== 'string' || user.username === '') {
    const why = typeof status.error === 'string' && status.error !== '' ? `: ${status.error.slice(0, 200)}` : '';
    throw new AppError('POLICY_REFUSED', `the token is not valid for "${audience ?? 'the API server'}"${why}`);
  }
  return { username: user.username, user };
}

async function nodeOf(api: KubernetesApi, namespace: string, name: string, uid: string): Promise<Caller['node']> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  const pod = await api.request('GET', path).catch((cause: unknown) => {
    throw new AppError('PEER_UNAVAILABLE', `pod ${namespace}/${name} not found: ${errorText(cause)}`, { cause });
  });
  const metadata = objectOf(pod.metadata);
  const spec = objectOf(pod.spec);
  if (metadata.uid !== uid || typeof spec.nodeName !== 'string' || spec.nodeName === '')
    throw new AppError('POLICY_REFUSED', `pod ${namespace}/${name} is not the one of the token, or has no node`);
  return spec.nodeName;
}

function first(value: unknown): string {
  const [found]: unknown[] = Array.isArray(value) ? value : [];
  return typeof found === 'string' ? found : '';
}

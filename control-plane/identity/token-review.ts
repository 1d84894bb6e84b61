/** A sidecar proves its node by a projected service-account token: TokenReview names the pod, the pod its node. */
import { AppError, errorText, isObject } from '#core';

import type { KubernetesApi } from '../kubernetes/api.ts';
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
    const { username, pod, uid } = await reviewed(api, token);
    const account = username.replace(/^system:serviceaccount:/, '');
    if (account === username || !serviceAccounts.has(account))
      throw new AppError('POLICY_REFUSED', `${username} is no service account of sidecars`);
    const [namespace = ''] = account.split(':');
    if (pod === '')
      throw new AppError('POLICY_REFUSED', `the token of ${account} names no pod, expected a projected one`);
    return { node: await nodeOf(api, namespace, pod, uid) };
  };
}

async function reviewed(api: KubernetesApi, token: string) {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [AUDIENCE] } };
  const answer = await api
    .request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', body)
    .catch((cause: unknown) => {
      throw new AppError('PEER_UNAVAILABLE', `no TokenReview: ${errorText(cause)}`, { cause });
    });
  const status = isObject(answer.status) ? answer.status : {};
  const user = isObject(status.user) ? status.user : {};
  const audiences = Array.isArray(status.audiences) ? status.audiences : [];
  if (status.authenticated !== true || !audiences.includes(AUDIENCE)) {
    const why = typeof status.error === 'string' && status.error !== '' ? `: ${status.error.slice(0, 200)}` : '';
    throw new AppError('POLICY_REFUSED', `the token is not valid for "${AUDIENCE}"${why}`);
  }
  const extra = isObject(user.extra) ? user.extra : {};
  return { username: String(user.username), pod: first(extra[POD_NAME]), uid: first(extra[POD_UID]) };
}

async function nodeOf(api: KubernetesApi, namespace: string, name: string, uid: string): Promise<Caller['node']> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  const pod = await api.request('GET', path).catch((cause: unknown) => {
    throw new AppError('PEER_UNAVAILABLE', `pod ${namespace}/${name} not found: ${errorText(cause)}`, { cause });
  });
  const metadata = isObject(pod.metadata) ? pod.metadata : {};
  const spec = isObject(pod.spec) ? pod.spec : {};
  if (metadata.uid !== uid || typeof spec.nodeName !== 'string' || spec.nodeName === '')
    throw new AppError('POLICY_REFUSED', `pod ${namespace}/${name} is not the one of the token, or has no node`);
  return spec.nodeName;
}

function first(value: unknown): string {
  const [found]: unknown[] = Array.isArray(value) ? value : [];
  return typeof found === 'string' ? found : '';
}

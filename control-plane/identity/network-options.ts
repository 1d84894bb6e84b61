import type { Clock } from '#core';

import type { ControlPlaneConfig } from '../config.ts';
import type { OpenKubernetesApi } from '../kubernetes/api.ts';
import type { NetworkOptions } from '../network.ts';
import { tokenReviewVerifier } from './token-review.ts';
import { cachedVerifier, tokenFileVerifier, type VerifyToken } from './verifier.ts';

/** Where sidecars of other machines are heard, and how they are known; null: nowhere. */
export function networkOf(config: ControlPlaneConfig, api: OpenKubernetesApi, clock: Clock): NetworkOptions | null {
  const { listen, tlsCert, tlsKey, sidecarToken, sidecarAccounts } = config;
  if (listen === undefined || tlsCert === undefined || tlsKey === undefined) return null;
  const verify =
    sidecarToken === undefined ? tokenReviewer(api, new Set(sidecarAccounts)) : tokenFileVerifier(sidecarToken);
  return { address: listen, certFile: tlsCert, keyFile: tlsKey, verify: cachedVerifier(verify, clock) };
}

/** The API server is asked for when the first sidecar calls. */
function tokenReviewer(api: OpenKubernetesApi, serviceAccounts: ReadonlySet<string>): VerifyToken {
  return async (token) => tokenReviewVerifier({ api: await api(), serviceAccounts })(token);
}

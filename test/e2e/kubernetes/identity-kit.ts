import { tokenReviewVerifier } from '../../../control-plane/identity/token-review.ts';
import type { VerifyToken } from '../../../control-plane/identity/verifier.ts';
import { createKubernetesApi } from '../../../control-plane/kubernetes/api.ts';
import type { ApiServer } from '../../kit/api-server.ts';

/** The control plane's eye, over the real API server. */
export async function identityOf(api: ApiServer, accounts: readonly string[]): Promise<VerifyToken> {
  const access = await createKubernetesApi(api.kubeconfig());
  return tokenReviewVerifier({ api: access, serviceAccounts: new Set(accounts) });
}

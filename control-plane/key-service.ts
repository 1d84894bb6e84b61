/** KeyService: the cluster's signing keys, for sidecars that check tokens of pods themselves. */
import { AppError, errorText, isObject, type Log, textOf } from '#core';
import { type KeyServiceServer, KeyServiceService, type KeysResponse } from '#proto';

import type { OpenKubernetesApi } from './kubernetes/api.ts';
import { type GrpcService, statusOf } from './server.ts';

/** `open` is null where hooks do not come from the API server: then there is no cluster to ask. */
export function createKeyService(open: OpenKubernetesApi | null, log: Log): GrpcService {
  const handlers: KeyServiceServer = {
    keys(_call, reply) {
      readKeys(open).then(
        (keys) => reply(null, keys),
        (error: unknown) => reply(statusOf(error, log)),
      );
    },
  };
  return { definition: KeyServiceService, implementation: { ...handlers } };
}

async function readKeys(open: OpenKubernetesApi | null): Promise<KeysResponse> {
  if (!open) throw new AppError('NOT_FOUND', 'this control plane knows no cluster (--kubernetes yes)');
  const api = await open();
  try {
    const { issuer } = await api.request('GET', '/.well-known/openid-configuration');
    const keys = await api.request('GET', '/openid/v1/jwks');
    if (textOf(issuer) === '' || !Array.isArray(keys.keys) || !keys.keys.every(isObject))
      throw new AppError('PEER_UNAVAILABLE', 'the API server tells no issuer or no keys of service accounts');
    return { issuer: textOf(issuer), jwksJson: JSON.stringify({ keys: keys.keys }) };
  } catch (error) {
    if (error instanceof AppError && error.code !== 'NOT_FOUND') throw error;
    throw new AppError('PEER_UNAVAILABLE', `keys of service accounts not read: ${errorText(error)}`);
  }
}

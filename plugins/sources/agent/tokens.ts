/** Who asks at `listen`: pods by their projected service-account token, programs of one machine by the token of a file. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import {
  type AgentPeer,
  AppError,
  type ClusterKeySet,
  errorText,
  type Infer,
  isObject,
  NO_PEER,
  type SourceContext,
  textOf,
} from '#core';

import type { config } from './config.ts';

/** Clocks of the API server and of the node may differ so much. */
const SKEW_SECONDS = 30;
/** A token that was checked is known for so long; it may end before, by its own time. */
const KNOWN_MS = 10_000;
const MAX_KNOWN = 10_000;
const LONGEST_TOKEN = 16_384;

type Context = Pick<SourceContext, 'node' | 'clock' | 'clusterKeys'>;
type Options = Pick<Infer<typeof config>, 'tokenFile' | 'audience'>;

export type Identify = (authorization: string | undefined) => Promise<AgentPeer>;

/** Throws POLICY_REFUSED for a token that proves nothing, PEER_UNAVAILABLE where no keys are known yet. */
export function createIdentify({ tokenFile, audience }: Options, context: Context): Identify {
  const known = new Map<string, { readonly peer: AgentPeer; readonly until: number }>();
  return async (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
    if (token === '')
      throw new AppError('POLICY_REFUSED', 'the request has no token, expected `Authorization: Bearer …`');
    if (token.length > LONGEST_TOKEN) throw new AppError('POLICY_REFUSED', 'the token is too long to be one');
    if (tokenFile !== undefined && (await isTokenOf(tokenFile, token))) return NO_PEER;
    if (audience === undefined) throw new AppError('POLICY_REFUSED', 'the token is not the one of this node');
    const digest = createHash('sha256').update(token).digest('base64');
    const found = known.get(digest);
    const now = context.clock.monotonic();
    if (found && found.until > now) return found.peer;
    const { peer, leftMs } = await podOf(token, audience, context);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(digest, { peer, until: now + Math.min(KNOWN_MS, leftMs) });
    return peer;
  };
}

/** Read each time: it may change, and the kernel has it in memory. */
async function isTokenOf(file: string, token: string): Promise<boolean> {
  const own = (await readFile(file, 'utf8')).trim();
  return own !== '' && timingSafeEqual(sha256(own), sha256(token));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function podOf(token: string, audience: string, context: Context): Promise<{ peer: AgentPeer; leftMs: number }> {
  const claims = await verified(token, audience, context);
  const cluster = isObject(claims['kubernetes.io']) ? claims['kubernetes.io'] : {};
  const pod = isObject(cluster.pod) ? cluster.pod : {};
  const node = isObject(cluster.node) ? textOf(cluster.node.name) : '';
  const peer = { ...NO_PEER, namespace: textOf(cluster.namespace), pod: textOf(pod.name), podUid: textOf(pod.uid) };
  if (peer.pod === '' || peer.namespace === '')
    throw new AppError('POLICY_REFUSED', 'the token names no pod, expected a projected one');
  if (node !== '' && node !== context.node)
    throw new AppError(
      'POLICY_REFUSED',
      `the token is of pod ${peer.namespace}/${peer.pod} on node ${node}, and this is node ${context.node}`,
    );
  const leftMs = typeof claims.exp === 'number' ? claims.exp * 1000 - context.clock.now() : KNOWN_MS;
  return { peer, leftMs };
}

/** A key that is not known may be new. */
async function verified(token: string, audience: string, { clusterKeys }: Context): Promise<Record<string, unknown>> {
  const keys = await clusterKeys(false);
  if (!keys) throw new AppError('PEER_UNAVAILABLE', 'the keys of the cluster are not known to this node yet');
  try {
    return await checked(token, audience, keys);
  } catch (error) {
    if (!isUnknownKey(error)) throw refused(error);
  }
  const fresh = await clusterKeys(true);
  return checked(token, audience, fresh ?? keys).catch((error: unknown) => {
    throw refused(error);
  });
}

/** The library is loaded with the first token: most nodes have a socket alone. */
async function checked(
  token: string,
  audience: string,
  { issuer, keys }: ClusterKeySet,
): Promise<Record<string, unknown>> {
  const { createLocalJWKSet, jwtVerify } = await import('jose');
  const set = createLocalJWKSet({ keys: [...keys] });
  const options = { issuer, audience, clockTolerance: SKEW_SECONDS, requiredClaims: ['exp'] };
  const { payload } = await jwtVerify(token, set, options);
  return payload;
}

function isUnknownKey(error: unknown): boolean {
  return isObject(error) && error.code === 'ERR_JWKS_NO_MATCHING_KEY';
}

function refused(error: unknown): AppError {
  return new AppError('POLICY_REFUSED', `the token is not good here: ${errorText(error)}`);
}

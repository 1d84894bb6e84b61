import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { AppError, type Clock } from '#core';

import { remembered } from './remembered.ts';

/** Who a caller on the network is: the sidecar of one node, or, with a token of all of them, of the node that it names. */
export interface Caller {
  /** Null: the token is that of every node. */
  readonly node: string | null;
}

/** Knows the caller by its bearer token. Throws POLICY_REFUSED for one that it does not know, PEER_UNAVAILABLE when it cannot tell. */
export type VerifyToken = (token: string) => Promise<Caller>;

/** One token for every sidecar, kept in a file that is read anew for each caller: for machines that are in no cluster. */
export function tokenFileVerifier(path: string): VerifyToken {
  return async (token) => {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      throw new AppError('PEER_UNAVAILABLE', `token file ${path} cannot be read`, { cause });
    });
    const known = text.trim();
    if (known === '' || !isSame(token, known))
      throw new AppError('POLICY_REFUSED', 'the token is not the one of the sidecars');
    return { node: null };
  };
}

/** In the same time whatever differs. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** How long a token that was known is not asked for again. */
const KNOWN_MS = 60_000;

/** Asks once for the streams that a sidecar opens together, and for its reconnects of a minute. What was refused is asked anew. */
export function cachedVerifier(verify: VerifyToken, clock: Clock): VerifyToken {
  const known = remembered<Caller>(clock, KNOWN_MS);
  return (token) => known(digest(token).toString('hex'), () => verify(token));
}

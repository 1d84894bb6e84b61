/** What the writing thread does unasked: leases and windows that end, and retention. */
import { errorText } from '#core';

import { responsesTo } from './claim-responses.ts';
import type { ClaimStore } from './claim-store.ts';
import type { Say } from './thread.ts';
import type { Transactions } from './transaction.ts';

const EXPIRE_EVERY_MS = 1_000;
/** While nobody waits, what ended only takes up room, and a look at every key costs milliseconds. */
const SWEEP_EVERY_MS = 30_000;
/** Between two slices of deletion, so that the work of others comes in between. */
const SLICE_PAUSE_MS = 20;

export interface UpkeepOptions {
  readonly transactions: Transactions;
  readonly claims: ClaimStore;
  /** Deletes a slice; true: there is more. */
  readonly prune: () => boolean;
  readonly pruneEveryMs: number;
  readonly say: Say;
}

/** Runs until the returned function is called. What fails is said once and tried again. */
export function startUpkeep({ transactions, claims, prune, pruneEveryMs, say }: UpkeepOptions): () => void {
  const failing = new Set<string>();
  const attempt = (what: string, work: () => void): void => {
    try {
      work();
      failing.delete(what);
    } catch (error) {
      if (!failing.has(what)) say({ kind: 'trouble', what, error: errorText(error) });
      failing.add(what);
    }
  };

  let sweptAt = performance.now();
  const expire = (): void => {
    const sweep = performance.now() - sweptAt >= SWEEP_EVERY_MS;
    if (claims.size === 0 || !(claims.awaited || sweep)) return;
    sweptAt = performance.now();
    const answers = transactions.run(() => claims.expire());
    if (answers.length > 0) say({ kind: 'claimAnswers', responses: responsesTo(answers) });
  };
  const pruneSlice = (): void => {
    clearTimeout(slice);
    if (transactions.run(prune)) slice = setTimeout(() => attempt('retention', pruneSlice), SLICE_PAUSE_MS);
  };

  let slice = setTimeout(() => attempt('retention', pruneSlice), SLICE_PAUSE_MS);
  const expiring = setInterval(() => attempt('expiring claims', expire), EXPIRE_EVERY_MS);
  const pruning = setInterval(() => attempt('retention', pruneSlice), pruneEveryMs);
  return () => {
    clearTimeout(slice);
    clearInterval(expiring);
    clearInterval(pruning);
  };
}

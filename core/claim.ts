/** Claims as both ends of the wire have them (design section 6.2). Fences grow over all keys of one store. */

import { ShardedMap } from './sharded-map.ts';

export type ClaimOperation =
  | { readonly kind: 'acquire'; readonly id: number; readonly key: string }
  | {
      readonly kind: 'complete';
      readonly id: number;
      readonly key: string;
      readonly fence: number;
      readonly windowMs: number;
    }
  | { readonly kind: 'release'; readonly id: number; readonly key: string; readonly fence: number }
  | { readonly kind: 'renew'; readonly id: number; readonly key: string; readonly fence: number }
  | {
      readonly kind: 'settle';
      readonly id: number;
      readonly key: string;
      readonly windowMs: number;
      readonly ageMs: number;
    }
  | { readonly kind: 'cancel'; readonly id: number; readonly key: string; readonly acquireId: number };

export type ClaimAnswer =
  | { readonly kind: 'granted'; readonly id: number; readonly fence: number; readonly leaseMs: number }
  | { readonly kind: 'held'; readonly id: number; readonly leaseMs: number }
  | { readonly kind: 'done'; readonly id: number; readonly remainingMs: number }
  | { readonly kind: 'accepted'; readonly id: number }
  | { readonly kind: 'refused'; readonly id: number; readonly fence: number };

export const LEASE_MS = 30_000;
/** Window that a rejected outcome opens. */
export const REJECTED_WINDOW_MS = 60_000;
/** How long a lease that ran out is remembered, so that a late `complete` of its holder still opens the window. */
const LATE_MS = 600_000;

interface ClaimState {
  fence: number;
  holder: string;
  /** 0: not held. Store clock, milliseconds. */
  leaseUntil: number;
  /** 0: no window. */
  windowUntil: number;
  /** End of a window that was settled while the key is held; it opens when the lease is over. 0: none. */
  settledUntil: number;
  /** Fence under which a store has the key. 0: it has not. */
  storedFence: number;
}

/** One key as a store keeps it; one without `settledUntil` has none. */
export interface ClaimRow extends Readonly<Omit<ClaimState, 'settledUntil' | 'storedFence'>> {
  readonly key: string;
  readonly settledUntil?: number;
}

interface Waiter {
  readonly holder: string;
  readonly id: number;
}

/** What a store has to write down. */
export interface ClaimChange {
  readonly key: string;
  /** Null: the key is free and its row can go. */
  readonly row: ClaimRow | null;
  /** Fence of the key's row as of the last call, which is to be replaced; 0: there is none. */
  readonly storedFence: number;
}

/** An answer and whom it is for; a held claim's second answer belongs to another holder than the one who just asked. */
export interface AddressedAnswer {
  readonly holder: string;
  readonly answer: ClaimAnswer;
}

/**
 * The rules of claims over an in-memory table; a store writes `takeChanges()` down before it sends the answers. The
 * store's clock alone counts: `now` in milliseconds, never going back.
 */
export class ClaimTable {
  readonly #states = new ShardedMap<ClaimState>();
  readonly #waiters = new Map<string, Waiter[]>();
  /** By key: the fence under which it is stored. */
  readonly #changed = new Map<string, number>();
  #lastFence: number;

  constructor(rows: Iterable<ClaimRow> = [], lastFence = 0) {
    this.#lastFence = lastFence;
    for (const { key, ...state } of rows) {
      this.#states.set(key, { settledUntil: 0, storedFence: state.fence, ...state });
      this.#lastFence = Math.max(this.#lastFence, state.fence);
    }
  }

  get size(): number {
    return this.#states.size;
  }

  get lastFence(): number {
    return this.#lastFence;
  }

  /** Applies one operation of `holder` and returns every answer it causes, its own first. */
  apply(holder: string, operation: ClaimOperation, now: number): AddressedAnswer[] {
    const { id, key } = operation;
    switch (operation.kind) {
      case 'acquire':
        return this.#acquire(holder, id, key, now);
      case 'cancel':
        this.#forget(key, holder, operation.acquireId);
        return [{ holder, answer: { kind: 'accepted', id } }];
      case 'settle':
        return [
          { holder, answer: { kind: 'accepted', id } },
          ...this.#settle(key, now - operation.ageMs + operation.windowMs, now),
        ];
      default:
        return this.#fenced(holder, operation, now);
    }
  }

  /** Leases that ran out give their key to the next waiter; windows that closed are forgotten. */
  expire(now: number): AddressedAnswer[] {
    const answers: AddressedAnswer[] = [];
    for (const [key, state] of this.#states) {
      if (state.leaseUntil > now || state.windowUntil > now) continue;
      answers.push(...(state.settledUntil > now ? this.#end(key, state, now) : this.#wake(key, now)));
      if (this.#states.get(key) !== state || state.windowUntil > now || state.leaseUntil + LATE_MS > now) continue;
      this.#states.delete(key);
      this.#change(key, state);
    }
    return answers;
  }

  /** A stream ended: its waiters are gone; its leases run on until they expire or their holder is back. */
  forgetWaiters(holder: string): void {
    for (const key of this.#waiters.keys()) this.#forget(key, holder, null);
  }

  /** Keys touched since the last call. */
  takeChanges(): ClaimChange[] {
    const changes: ClaimChange[] = [];
    for (const [key, storedFence] of this.#changed) {
      const state = this.#states.get(key);
      changes.push({ key, row: state ? rowOf(key, state) : null, storedFence });
      if (state) state.storedFence = state.fence;
    }
    this.#changed.clear();
    return changes;
  }

  #acquire(holder: string, id: number, key: string, now: number): AddressedAnswer[] {
    const state = this.#states.get(key);
    const held = state !== undefined && state.leaseUntil > now && state.holder !== holder;
    // Whoever asks anew for its own key has ended its claim.
    const woken = state && !held && state.settledUntil > now ? this.#end(key, state, now) : [];
    if (state && state.windowUntil > now) {
      return [{ holder, answer: { kind: 'done', id, remainingMs: state.windowUntil - now } }, ...woken];
    }
    if (!held) return [{ holder, answer: this.#grant(holder, id, key, state, now) }];
    const waiters = this.#waiters.get(key);
    if (waiters) waiters.push({ holder, id });
    else this.#waiters.set(key, [{ holder, id }]);
    return [{ holder, answer: { kind: 'held', id, leaseMs: state.leaseUntil - now } }];
  }

  #grant(holder: string, id: number, key: string, known: ClaimState | undefined, now: number): ClaimAnswer {
    const fence = ++this.#lastFence;
    const leaseUntil = now + LEASE_MS;
    const storedFence = known?.storedFence ?? 0;
    this.#change(key, known);
    this.#states.set(key, { fence, holder, leaseUntil, windowUntil: 0, settledUntil: 0, storedFence });
    return { kind: 'granted', id, fence, leaseMs: LEASE_MS };
  }

  #fenced(holder: string, operation: ClaimOperation & { fence: number }, now: number): AddressedAnswer[] {
    const { id, key, fence } = operation;
    const state = this.#states.get(key);
    // A lease that ran out without another claim is still its holder's to end: nobody acted in between.
    if (!state || state.fence !== fence || state.holder !== holder || state.windowUntil > now) {
      return [{ holder, answer: { kind: 'refused', id, fence } }];
    }
    const accepted: AddressedAnswer = { holder, answer: { kind: 'accepted', id } };
    if (operation.kind === 'renew') {
      state.leaseUntil = now + LEASE_MS;
      this.#change(key, state);
      return [accepted];
    }
    const woken = this.#end(key, state, now, operation.kind === 'complete' ? now + operation.windowMs : 0);
    if (state.windowUntil === 0 && this.#states.get(key) === state) this.#states.delete(key);
    return [accepted, ...woken];
  }

  /** The lease is over: the window opens, until the later of `until` and what was settled meanwhile, and who waits is told. */
  #end(key: string, state: ClaimState, now: number, until = 0): AddressedAnswer[] {
    state.windowUntil = state.settledUntil > now ? Math.max(until, state.settledUntil) : until;
    state.settledUntil = 0;
    state.leaseUntil = 0;
    // Spent: not even its holder ends this claim again once the window has closed.
    if (state.windowUntil > 0) state.holder = '';
    this.#change(key, state);
    return this.#wake(key, now);
  }

  /** Opens a window that ends at `until`, unless one ends later already; a holder in the middle ends its claim first. */
  #settle(key: string, until: number, now: number): AddressedAnswer[] {
    if (until <= now) return [];
    const known = this.#states.get(key);
    if (known && known.windowUntil >= until) return [];
    const state = known ?? { ...FREE, fence: ++this.#lastFence };
    this.#change(key, known);
    this.#states.set(key, state);
    state.settledUntil = Math.max(until, state.settledUntil);
    return state.leaseUntil > now ? [] : this.#end(key, state, now);
  }

  /** The key is free or done: done is told to all who wait, a free key goes to the first. */
  #wake(key: string, now: number): AddressedAnswer[] {
    const waiters = this.#waiters.get(key);
    if (!waiters) return [];
    const state = this.#states.get(key);
    if (state && state.windowUntil > now) {
      this.#waiters.delete(key);
      const remainingMs = state.windowUntil - now;
      return waiters.map(({ holder, id }) => ({ holder, answer: { kind: 'done', id, remainingMs } }));
    }
    const next = waiters.shift();
    if (waiters.length === 0) this.#waiters.delete(key);
    return next ? [{ holder: next.holder, answer: this.#grant(next.holder, next.id, key, state, now) }] : [];
  }

  /** Before the state is another: what the store has is what it had when the change began. */
  #change(key: string, state: ClaimState | undefined): void {
    if (!this.#changed.has(key)) this.#changed.set(key, state?.storedFence ?? 0);
  }

  #forget(key: string, holder: string, id: number | null): void {
    const left = this.#waiters
      .get(key)
      ?.filter((waiter) => waiter.holder !== holder || (id !== null && waiter.id !== id));
    if (left && left.length > 0) this.#waiters.set(key, left);
    else this.#waiters.delete(key);
  }
}

const FREE: Omit<ClaimState, 'fence'> = { holder: '', leaseUntil: 0, windowUntil: 0, settledUntil: 0, storedFence: 0 };

function rowOf(key: string, { fence, holder, leaseUntil, windowUntil, settledUntil }: ClaimState): ClaimRow {
  return { key, fence, holder, leaseUntil, windowUntil, settledUntil };
}

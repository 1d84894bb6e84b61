import { type Clock, type Hook, type TrotlineEvent, whenUncoordinated } from '#core';

import { abortable } from '../waiting.ts';
import { AWAY, type ClaimAsk, type ClaimChannel, type ClaimReply } from './claim-client.ts';
import { claimKey } from './key.ts';
import { Leases } from './lease.ts';
import { Places } from '../places.ts';
import type { NodeClaims } from './node-claims.ts';

/** Windows that are settled at a time. */
const SETTLED_AT_ONCE = 100;

/** The right to act on an incident, for as long as `lost` has not aborted. */
export interface Grant {
  readonly kind: 'granted';
  /** 0 without a claim (scope none). */
  readonly fence: number;
  /** Nobody was asked: the control plane was away. The outcome must say so. */
  readonly uncoordinated: boolean;
  /** Aborts when the lease is refused or about to end. */
  readonly lost: AbortSignal;
  /** Opens the window; false: the control plane did not take it, which makes the outcome uncoordinated. */
  complete(windowMs: number): Promise<boolean>;
  /** Frees the key without a window. */
  release(): Promise<void>;
}

export type Claimed = Grant | { readonly kind: 'done' } | { readonly kind: 'drop'; readonly reason: string };

const NEVER = new AbortController().signal;
const UNCLAIMED: Grant = {
  kind: 'granted',
  fence: 0,
  uncoordinated: false,
  lost: NEVER,
  complete: () => Promise.resolve(true),
  release: () => Promise.resolve(),
};

/** Claims of every scope (design section 6.2–6.3, 6.9). Within the sidecar a key has one holder at a time. */
export class Claims {
  readonly #channel: ClaimChannel;
  readonly #node: NodeClaims;
  readonly #clock: Clock;
  readonly #queue = new Places();
  readonly #leases: Leases;
  #settling: Promise<void> | null = null;

  constructor(channel: ClaimChannel, node: NodeClaims, clock: Clock) {
    this.#channel = channel;
    this.#node = node;
    this.#clock = clock;
    this.#leases = new Leases(channel, clock);
  }

  /** Rejects only with the signal's reason. A granted key must be completed or released. */
  async claim(hook: Hook, event: TrotlineEvent, signal: AbortSignal): Promise<Claimed> {
    const scope = hook.spec.dedup?.scope ?? 'none';
    if (scope === 'none') return UNCLAIMED;
    const key = claimKey(hook, event);
    const leave = await this.#queue.enter(key, 1, signal);
    try {
      const claimed = scope === 'node' ? this.#claimNode(key, false) : await this.#claimCluster(hook, key, signal);
      if (claimed.kind === 'granted') return leaving(claimed, leave);
      leave();
      return claimed;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Tells the control plane of windows that were opened without it; those that it does not hear stay for the next time. */
  settle(): Promise<void> {
    this.#settling ??= this.#settleAll().finally(() => (this.#settling = null));
    return this.#settling;
  }

  async #settleAll(): Promise<void> {
    const keys = this.#node.unsettledKeys();
    for (let at = 0; at < keys.length; at += SETTLED_AT_ONCE) {
      const told = keys.slice(at, at + SETTLED_AT_ONCE).map(async (key) => {
        const leave = await this.#queue.enter(key, 1, NEVER);
        return this.#settleKey(key).finally(leave);
      });
      if ((await Promise.all(told)).includes(false)) return;
    }
  }

  /** In the key's turn. False: the control plane is away. */
  async #settleKey(key: string): Promise<boolean> {
    const windowMs = this.#node.unsettled(key);
    if (windowMs === null) return true;
    // What this sidecar held when the control plane went away is its own still and would keep the window from opening.
    const claim = await this.#first({ kind: 'acquire', key });
    const reply =
      claim.kind === 'granted'
        ? await this.#once({ kind: 'complete', key, fence: claim.fence, windowMs })
        : await this.#once({ kind: 'settle', key, windowMs, ageMs: 0 });
    if (claim.kind === AWAY.kind || reply.kind === AWAY.kind) return false;
    await this.#node.settled(key, windowMs);
    return true;
  }

  async #claimCluster(hook: Hook, key: string, signal: AbortSignal): Promise<Claimed> {
    const choice = whenUncoordinated(hook);
    for (;;) {
      // Its own window comes before anybody's claim.
      await this.#settleKey(key);
      const { reply, askedAt } = await this.#acquire(key, signal);
      if (reply.kind === 'granted') return this.#lease(key, reply.fence, askedAt, choice === 'act');
      if (reply.kind === 'done') {
        this.#node.remember(key, reply.remainingMs);
        return { kind: 'done' };
      }
      if (reply.kind === 'refused') continue;
      if (choice === 'act') return this.#claimNode(key, true);
      if (choice === 'drop') return { kind: 'drop', reason: 'control-plane-away' };
      await this.#channel.back(signal);
    }
  }

  /** Waits through `held`. `askedAt`: monotonic time before the request that the lease counts from. */
  async #acquire(key: string, signal: AbortSignal): Promise<{ readonly reply: ClaimReply; readonly askedAt: number }> {
    let askedAt = this.#clock.monotonic();
    let held = false;
    const reply = await abortable<ClaimReply>(signal, (resolve) => {
      const id = this.#channel.ask({ kind: 'acquire', key }, (answer) => {
        if (answer.kind === 'held') held = true;
        else resolve(answer);
      });
      return () => this.#channel.forget(id, key);
    });
    if (!held || reply.kind !== 'granted') return { reply, askedAt };
    // When the key freed is the store's secret: a renewal gives the lease a beginning that this clock knows.
    askedAt = this.#clock.monotonic();
    const renewed = await this.#once({ kind: 'renew', key, fence: reply.fence });
    return { reply: renewed.kind === 'accepted' ? reply : renewed, askedAt };
  }

  #lease(key: string, fence: number, askedAt: number, acts: boolean): Grant {
    const lease = this.#leases.hold({ key, fence, askedAt, acts });
    return {
      kind: 'granted',
      fence,
      uncoordinated: false,
      lost: lease.lost,
      complete: async (windowMs) => {
        this.#leases.end(lease);
        const { kind } = await this.#once({ kind: 'complete', key, fence, windowMs });
        this.#node.remember(key, windowMs);
        if (kind === AWAY.kind) await this.#node.open(key, fence, windowMs, true);
        // Refused while the lease runs: it was heard before and the answer lost. Later: somebody else has the key.
        return kind === 'accepted' || (kind === 'refused' && this.#clock.monotonic() < lease.endsAt);
      },
      release: async () => {
        this.#leases.end(lease);
        await this.#once({ kind: 'release', key, fence });
      },
    };
  }

  #claimNode(key: string, uncoordinated: boolean): Claimed {
    const fence = this.#node.acquire(key);
    if (fence === null) return { kind: 'done' };
    return {
      kind: 'granted',
      fence,
      uncoordinated,
      lost: NEVER,
      complete: async (windowMs) => {
        await this.#node.open(key, fence, windowMs, uncoordinated);
        return true;
      },
      release: () => Promise.resolve(),
    };
  }

  /** The reply to an operation that has only one. */
  #once(operation: ClaimAsk): Promise<ClaimReply> {
    return new Promise((resolve) => this.#channel.ask(operation, resolve));
  }

  /** The first reply: who is told `held` waits no longer. */
  #first(operation: ClaimAsk): Promise<ClaimReply> {
    return new Promise((resolve) => {
      const id = this.#channel.ask(operation, (reply) => {
        resolve(reply);
        if (reply.kind === 'held') this.#channel.forget(id, operation.key);
      });
    });
  }
}

function leaving(grant: Grant, leave: () => void): Grant {
  return {
    ...grant,
    complete: (windowMs) => grant.complete(windowMs).finally(leave),
    release: () => grant.release().finally(leave),
  };
}

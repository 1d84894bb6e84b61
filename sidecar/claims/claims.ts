import { type Clock, type Hook, LEASE_MS, type TrotlineEvent, whenUncoordinated } from '#core';

import { claimKey } from './key.ts';
import { AWAY, type ClaimClient, type ClaimReply } from './claim-client.ts';
import type { NodeClaims } from './node-claims.ts';

const RENEW_MS = 10_000;
/** An unanswered renewal gives up so long before the lease ends. */
const MARGIN_MS = 2000;

/** The right to act on an incident, for as long as `lost` has not aborted. */
export interface Grant {
  readonly kind: 'granted';
  /** 0 without a claim (scope none). */
  readonly fence: number;
  /** Nobody was asked: the control plane was away. The outcome must say so. */
  readonly uncoordinated: boolean;
  /** Aborts when the lease is refused or about to end. */
  readonly lost: AbortSignal;
  /** Opens the window; false: it could not be told to the control plane in time, which makes the outcome uncoordinated. */
  complete(windowMs: number): Promise<boolean>;
  /** Frees the key without a window. */
  release(): Promise<void>;
}

export type Claimed =
  | Grant
  | { readonly kind: 'done' }
  | { readonly kind: 'drop'; readonly reason: string }
  /** The control plane is away and the hook waits for it: claim again after a pause. */
  | { readonly kind: 'wait' };

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
  readonly #client: ClaimClient;
  readonly #node: NodeClaims;
  readonly #clock: Clock;
  /** Keys that someone in this process holds or asks for, and who waits behind. */
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(client: ClaimClient, node: NodeClaims, clock: Clock) {
    this.#client = client;
    this.#node = node;
    this.#clock = clock;
  }

  /** Rejects only with the signal's reason. A granted key must be completed or released. */
  async claim(hook: Hook, event: TrotlineEvent, signal: AbortSignal): Promise<Claimed> {
    const scope = hook.spec.dedup?.scope ?? 'none';
    if (scope === 'none') return UNCLAIMED;
    const key = claimKey(hook, event);
    const leave = await this.#enter(key, signal);
    try {
      const claimed =
        scope === 'node' ? await this.#claimNode(key, false) : await this.#claimCluster(hook, key, signal);
      if (claimed.kind !== 'granted') leave();
      return claimed.kind === 'granted' ? leaving(claimed, leave) : claimed;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Tells the control plane of windows that were opened without it. */
  async settle(): Promise<void> {
    for (const { key, windowMs, ageMs } of this.#node.unsettled()) {
      const reply = await this.#client.once({ kind: 'settle', key, windowMs, ageMs });
      if (reply.kind === 'accepted') await this.#node.settled(key);
    }
  }

  async #claimCluster(hook: Hook, key: string, signal: AbortSignal): Promise<Claimed> {
    const askedAt = this.#clock.monotonic();
    const reply = await this.#acquire(key, signal);
    if (reply.kind === 'done') return { kind: 'done' };
    if (reply.kind === 'granted') return this.#lease(hook, key, reply.fence, askedAt);
    const choice = whenUncoordinated(hook);
    if (choice === 'act') return this.#claimNode(key, true);
    return choice === 'drop' ? { kind: 'drop', reason: 'control-plane-away' } : { kind: 'wait' };
  }

  /** Waits through `held`. */
  #acquire(key: string, signal: AbortSignal): Promise<ClaimReply> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#client.forget(id, key);
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const id = this.#client.ask({ kind: 'acquire', key }, (reply) => {
        if (reply.kind === 'held') return;
        signal.removeEventListener('abort', onAbort);
        resolve(reply);
      });
    });
  }

  #lease(hook: Hook, key: string, fence: number, askedAt: number): Grant {
    const lost = new AbortController();
    const acts = whenUncoordinated(hook) === 'act';
    // Counted from before the request was sent: the store began to count later.
    let endsAt = askedAt + LEASE_MS;
    let end: NodeJS.Timeout | undefined;
    const watch = (): void => {
      clearTimeout(end);
      if (acts) return;
      end = setTimeout(
        () => lost.abort(new Error('the lease ran out')),
        endsAt - MARGIN_MS - this.#clock.monotonic(),
      ).unref();
    };
    const renewal = setInterval(() => {
      const renewedAt = this.#clock.monotonic();
      this.#client.ask({ kind: 'renew', key, fence }, ({ kind }) => {
        if (kind === 'refused') lost.abort(new Error('the lease was refused'));
        if (kind !== 'accepted') return;
        endsAt = renewedAt + LEASE_MS;
        watch();
      });
    }, RENEW_MS).unref();
    watch();
    const ended = (): void => {
      clearInterval(renewal);
      clearTimeout(end);
    };
    return {
      kind: 'granted',
      fence,
      uncoordinated: false,
      lost: lost.signal,
      complete: async (windowMs) => {
        ended();
        const { kind } = await this.#client.once({ kind: 'complete', key, fence, windowMs });
        if (kind === 'away') await this.#node.open(key, windowMs, true);
        return kind !== AWAY.kind;
      },
      release: async () => {
        ended();
        await this.#client.once({ kind: 'release', key, fence });
      },
    };
  }

  async #claimNode(key: string, uncoordinated: boolean): Promise<Claimed> {
    const fence = await this.#node.acquire(key);
    if (fence === null) return { kind: 'done' };
    return {
      kind: 'granted',
      fence,
      uncoordinated,
      lost: NEVER,
      complete: async (windowMs) => {
        await this.#node.open(key, windowMs, uncoordinated);
        return true;
      },
      release: () => Promise.resolve(),
    };
  }

  /** First come, first served; resolves with what lets the next one in. */
  async #enter(key: string, signal: AbortSignal): Promise<() => void> {
    const queue = this.#queues.get(key);
    if (!queue) this.#queues.set(key, []);
    else {
      await new Promise<void>((resolve, reject) => {
        queue.push(resolve);
        const onAbort = (): void => {
          const at = queue.indexOf(resolve);
          if (at < 0) return;
          queue.splice(at, 1);
          reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
        };
        signal.addEventListener('abort', onAbort, { once: true });
      });
    }
    return () => {
      const next = this.#queues.get(key)?.shift();
      if (next) next();
      else this.#queues.delete(key);
    };
  }
}

function leaving(grant: Grant, leave: () => void): Grant {
  return {
    ...grant,
    complete: (windowMs) => grant.complete(windowMs).finally(leave),
    release: () => grant.release().finally(leave),
  };
}

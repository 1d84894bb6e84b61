import { type Clock, LEASE_MS } from '#core';

import type { ClaimChannel } from './claim-client.ts';

const RENEW_MS = 10_000;
/** An unanswered renewal gives up so long before the lease ends. */
const MARGIN_MS = 2000;
const TICK_MS = 250;

export interface LeaseOptions {
  readonly key: string;
  readonly fence: number;
  /** Monotonic time before the claim was asked for: the store began to count later. */
  readonly askedAt: number;
  /** Goes on when renewals are unanswered. */
  readonly acts: boolean;
}

/** A granted key. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  #renewedAt: number;
  #endsAt: number;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#renewedAt = options.askedAt;
    this.#endsAt = options.askedAt + LEASE_MS;
  }

  /** Aborts when a renewal is refused, or unanswered when the lease is about to end. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Until when nobody else can have been granted the key. Monotonic. */
  get endsAt(): number {
    return this.#endsAt;
  }

  tick(channel: ClaimChannel, now: number): void {
    const { key, fence, acts } = this.#options;
    if (!acts && now >= this.#endsAt - MARGIN_MS) this.#lost.abort(new Error('the lease ran out'));
    if (now - this.#renewedAt < RENEW_MS || this.lost.aborted) return;
    this.#renewedAt = now;
    channel.ask({ kind: 'renew', key, fence }, ({ kind }) => {
      if (kind === 'accepted') this.#endsAt = now + LEASE_MS;
      if (kind === 'refused') this.#lost.abort(new Error('the lease was refused'));
    });
  }
}

/** Renews the leases that are held, all on one timer. */
export class Leases {
  readonly #channel: ClaimChannel;
  readonly #clock: Clock;
  readonly #held = new Set<Lease>();
  #ticking = false;

  constructor(channel: ClaimChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
  }

  hold(options: LeaseOptions): Lease {
    const lease = new Lease(options);
    this.#held.add(lease);
    if (!this.#ticking) void this.#tick();
    return lease;
  }

  /** No more renewals. */
  end(lease: Lease): void {
    this.#held.delete(lease);
  }

  async #tick(): Promise<void> {
    this.#ticking = true;
    while (this.#held.size > 0) {
      await this.#clock.sleep(TICK_MS);
      const now = this.#clock.monotonic();
      for (const lease of this.#held) lease.tick(this.#channel, now);
    }
    this.#ticking = false;
  }
}

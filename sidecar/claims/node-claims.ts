import type { Clock } from '#core';

import type { Journal } from '../journal/journal.ts';
import { createSlices } from '../slices.ts';

/** Windows of the control plane that are remembered, in memory only. */
const REMEMBERED = 8192;

/**
 * Windows kept in the journal, by the rules of the control plane's: for hooks of scope node, and for those of scope
 * cluster while the control plane is away. Leases are not needed: `Claims` gives a key to one at a time. Time is the
 * wall clock at the start plus the monotonic one, so that steps do not matter.
 */
export class NodeClaims {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #startedAt: number;
  /** Windows that the control plane knows, by key, with their end: still good when it is away. */
  readonly #remembered = new Map<string, number>();
  #fence = 0;

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
    this.#startedAt = clock.now() - clock.monotonic();
  }

  /** The fence; null when a window is open. */
  acquire(key: string): number | null {
    // Each may have closed while the other is open.
    const own = this.#journal.claims.get(key)?.row.windowUntil ?? 0;
    if (Math.max(own, this.#remembered.get(key) ?? 0) > this.#now()) return null;
    this.#fence = Math.max(this.#fence, this.#journal.lastFence) + 1;
    return this.#fence;
  }

  /** Opens a window, unless one ends later already; `unsettled`: the control plane must still hear of it. */
  async open(key: string, fence: number, windowMs: number, unsettled: boolean): Promise<void> {
    const windowUntil = this.#now() + windowMs;
    if ((this.#journal.claims.get(key)?.row.windowUntil ?? 0) > windowUntil) return;
    this.#journal.claim(key, { key, fence, holder: '', leaseUntil: 0, windowUntil }, unsettled);
    await this.#journal.flush();
  }

  /** A window that the control plane has. */
  remember(key: string, windowMs: number): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, this.#now() + windowMs);
    if (this.#remembered.size <= 2 * REMEMBERED) return;
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
  }

  unsettledKeys(): string[] {
    return [...this.#journal.unsettled];
  }

  /** What is left of a window that the control plane has not heard of, milliseconds; null: nothing is to be told. */
  unsettled(key: string): number | null {
    if (!this.#journal.unsettled.has(key)) return null;
    const leftMs = Math.ceil((this.#journal.claims.get(key)?.row.windowUntil ?? 0) - this.#now());
    return leftMs > 0 ? leftMs : null;
  }

  async settled(key: string, windowMs: number): Promise<void> {
    this.remember(key, windowMs);
    this.#journal.claim(key, null, false);
    await this.#journal.flush();
  }

  /** Forgets every window that has closed. */
  async expire(): Promise<void> {
    const slice = createSlices();
    for (const key of this.#journal.closedClaims(this.#now())) {
      this.#journal.claim(key, null, false);
      const turn = slice();
      // What a slice appended is written before the next, so that it does not pile up in memory.
      if (turn) await Promise.all([turn, this.#journal.flush()]);
    }
    await this.#journal.flush();
  }

  #now(): number {
    return this.#startedAt + this.#clock.monotonic();
  }
}

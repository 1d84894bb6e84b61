import { ClaimTable, type Clock } from '#core';

import type { Journal } from '../journal/journal.ts';

/** Nobody but this process asks: the holder's name does not matter. */
const HOLDER = 'node';

/**
 * Claims kept in the journal, by the rules of the control plane's: for hooks of scope node, and for those of scope
 * cluster while the control plane is away. Time is the wall clock at the start plus the monotonic one, so that steps do
 * not matter.
 */
export class NodeClaims {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #table = new ClaimTable();

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
    this.#startedAt = clock.now() - clock.monotonic();
  }

  /** After the journal has started. */
  load(): void {
    this.#table = new ClaimTable(this.#journal.claims.values(), this.#journal.lastFence);
  }

  /** The fence; null when a window is open. Not durable by itself: the lease of a dead process is its successor's anyway. */
  acquire(key: string): Promise<number | null> {
    const answers = this.#table.apply(HOLDER, { kind: 'acquire', id: 0, key }, this.#now());
    const answer = answers[0]?.answer;
    return Promise.resolve(answer?.kind === 'granted' ? answer.fence : null);
  }

  /** Opens a window; `unsettled`: the control plane must still hear of it. */
  async open(key: string, windowMs: number, unsettled: boolean): Promise<void> {
    const now = this.#now();
    const granted = this.#table.apply(HOLDER, { kind: 'acquire', id: 0, key }, now)[0]?.answer;
    if (granted?.kind !== 'granted') return;
    this.#table.apply(HOLDER, { kind: 'complete', id: 0, key, fence: granted.fence, windowMs }, now);
    await this.#write(unsettled);
  }

  /** Windows of other nodes' concern that only this node knows, with what is left of them. */
  unsettled(): { key: string; windowMs: number; ageMs: number }[] {
    const now = this.#now();
    return [...this.#journal.unsettled].flatMap((key) => {
      const row = this.#journal.claims.get(key);
      return row ? [{ key, windowMs: Math.max(0, row.windowUntil - now), ageMs: 0 }] : [];
    });
  }

  settled(key: string): Promise<void> {
    return this.#journal.claim(key, this.#journal.claims.get(key) ?? null, false);
  }

  /** Forgets windows that have closed; now and then. */
  async expire(): Promise<void> {
    this.#table.expire(this.#now());
    await this.#write(false);
  }

  async #write(unsettled: boolean): Promise<void> {
    for (const { key, row } of this.#table.takeChanges()) {
      // A lease without a window is not worth a record.
      if (row && row.windowUntil === 0) continue;
      if (row || this.#journal.claims.has(key)) void this.#journal.claim(key, row, row !== null && unsettled);
    }
    await this.#journal.flush();
  }

  #now(): number {
    return this.#startedAt + this.#clock.monotonic();
  }
}

import type { ClaimRow } from '#core';

const SECOND_MS = 1000;

/** Windows by the second at whose beginning they are closed: those that have closed are found without looking at the rest. */
export class ClosingIndex {
  readonly #seconds = new Map<number, Set<string>>();

  add({ key, windowUntil }: ClaimRow): void {
    const second = secondOf(windowUntil);
    const keys = this.#seconds.get(second);
    if (keys) keys.add(key);
    else this.#seconds.set(second, new Set([key]));
  }

  remove({ key, windowUntil }: ClaimRow): void {
    const second = secondOf(windowUntil);
    const keys = this.#seconds.get(second);
    if (keys?.delete(key) && keys.size === 0) this.#seconds.delete(second);
  }

  /** Keys whose window has closed; they, and others, may come and go meanwhile. */
  *closed(now: number): Generator<string> {
    for (const [second, keys] of this.#seconds) if (second * SECOND_MS <= now) yield* keys;
  }
}

function secondOf(windowUntil: number): number {
  return Math.ceil(windowUntil / SECOND_MS);
}

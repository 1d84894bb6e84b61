import type { Clock } from '#core';

/** At most `count` in any stretch of `perMs`; the rest waits in order. */
export class Limiter {
  readonly #times: number[] = [];
  readonly #count: number;
  readonly #perMs: number;
  readonly #clock: Clock;
  #tail: Promise<void> = Promise.resolve();

  constructor({ count, per }: { readonly count: number; readonly per: number }, clock: Clock) {
    this.#count = count;
    this.#perMs = per;
    this.#clock = clock;
  }

  /** How many are used in the current stretch. */
  get used(): number {
    this.#forget();
    return this.#times.length;
  }

  /** Resolves when it is this caller's turn; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<void> {
    const turn = this.#tail.then(() => this.#wait(signal));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#forget();
    const first = this.#times[0];
    if (first !== undefined && this.#times.length >= this.#count) {
      await this.#clock.sleep(first + this.#perMs - this.#clock.monotonic(), signal);
      this.#forget();
    }
    this.#times.push(this.#clock.monotonic());
  }

  #forget(): void {
    const oldest = this.#clock.monotonic() - this.#perMs;
    while ((this.#times[0] ?? Number.POSITIVE_INFINITY) <= oldest) this.#times.shift();
  }
}

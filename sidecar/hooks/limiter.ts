import type { Clock } from '#core';

export interface Rate {
  readonly count: number;
  readonly per: number;
}

/** At most `count` in any stretch of `per` milliseconds; the rest waits in order. */
export class Limiter {
  readonly rate: Rate;
  readonly #clock: Clock;
  readonly #times: number[] = [];
  #tail: Promise<void> = Promise.resolve();

  constructor(rate: Rate, clock: Clock) {
    this.rate = rate;
    this.#clock = clock;
  }

  /** Resolves when it is this caller's turn, with what gives the turn back unused; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<() => void> {
    const turn = this.#tail.then(() => this.#wait(signal));
    this.#tail = turn.then(nothing, nothing);
    return turn;
  }

  async #wait(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const { count, per } = this.rate;
    for (;;) {
      const now = this.#clock.monotonic();
      while ((this.#times[0] ?? Number.POSITIVE_INFINITY) <= now - per) this.#times.shift();
      const first = this.#times[0];
      if (first === undefined || this.#times.length < count) break;
      await this.#clock.sleep(Math.max(0, first + per - now), signal);
    }
    const time = this.#clock.monotonic();
    this.#times.push(time);
    return () => {
      const at = this.#times.indexOf(time);
      if (at >= 0) this.#times.splice(at, 1);
    };
  }
}

const nothing = (): void => undefined;

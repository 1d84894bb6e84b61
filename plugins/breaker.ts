/** Keeps attempts from an endpoint that fails again and again, so that it can recover and the sidecar does other work. */
import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
  type IBackoff,
} from 'cockatiel';

import { type Clock, isObject, type Result } from '#core';

const FAILURES = 5;
const OPEN_MS = 10_000;
/** How long others stand back while one attempt probes. */
const PROBE_MS = 1000;

/** Opens after five retries in a row for ten seconds; then one attempt goes through, and its result decides. */
export class Breaker {
  readonly #clock: Clock;
  readonly #policy: CircuitBreakerPolicy;
  #openUntil = 0;
  #lastReason = '';

  constructor(clock: Clock) {
    this.#clock = clock;
    const failure = handleWhenResult((result) => isObject(result) && result.status === 'retry')
      // A throw says nothing about the endpoint; but a probe that says nothing must not close the breaker.
      .orWhen(() => this.#policy.state === CircuitState.HalfOpen);
    this.#policy = circuitBreaker(failure, {
      breaker: new ConsecutiveBreaker(FAILURES),
      halfOpenAfter: { next: () => this.#opened() },
    });
  }

  /** Runs the attempt, or answers `retry` in its place. Throws what the attempt throws. */
  async run(attempt: () => Promise<Result>): Promise<Result> {
    if (this.#policy.state === CircuitState.HalfOpen) return this.#refusal();
    try {
      return await this.#policy.execute(async () => {
        const result = await attempt();
        if (result.status === 'retry') this.#lastReason = result.reason;
        return result;
      });
    } catch (error) {
      if (error instanceof BrokenCircuitError) return this.#refusal();
      throw error;
    }
  }

  #refusal(): Result {
    const left = Math.ceil(this.#openUntil - this.#clock.monotonic());
    return {
      status: 'retry',
      reason: `breaker open after ${FAILURES} failures: ${this.#lastReason}`,
      afterMs: left > 0 ? left : PROBE_MS,
    };
  }

  /** The library measures by the wall clock; all or nothing as the duration leaves the measuring to ours. */
  #opened(): IBackoff<unknown> {
    this.#openUntil = this.#clock.monotonic() + OPEN_MS;
    const isOpen = () => this.#clock.monotonic() < this.#openUntil;
    return {
      get duration() {
        return isOpen() ? Infinity : -Infinity;
      },
      next: () => this.#opened(),
    };
  }
}

import { AppError, type Clock } from '#core';

/** So long without a message, and the hearing is tested. */
const QUIET_MS = 10_000;
/** So long for the end of the test. */
const ANSWER_MS = 10_000;

export interface HearingOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks the kernel for something that it always answers. */
  readonly test: () => void;
  /** What came is still being worked off: silence says nothing of the socket then. */
  readonly busy: () => boolean;
}

/** A source proves that it still hears: silence is tested, and a test without an answer is deafness (design section 7). */
export class Hearing {
  readonly #options: HearingOptions;
  #heardAt: number;
  #provenAt = -Infinity;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.#heardAt = options.clock.monotonic();
  }

  heard(): void {
    this.#heardAt = this.#options.clock.monotonic();
  }

  /** The test was answered. */
  proven(): void {
    this.heard();
    this.#provenAt = this.#heardAt;
  }

  /** Until the signal aborts; rejects when the source is deaf. */
  async run(): Promise<never> {
    const { clock, signal, test, busy } = this.#options;
    this.heard();
    for (;;) {
      const quietMs = clock.monotonic() - this.#heardAt;
      if (quietMs < QUIET_MS) {
        await clock.sleep(QUIET_MS - quietMs, signal);
        continue;
      }
      const askedAt = clock.monotonic();
      test();
      await clock.sleep(ANSWER_MS, signal);
      if (this.#provenAt < askedAt && !busy()) throw deaf();
    }
  }
}

function deaf(): AppError {
  const silence = `nothing heard for ${QUIET_MS / 1000} s, and no answer to an echo within ${ANSWER_MS / 1000} s`;
  return new AppError('PEER_UNAVAILABLE', `the kernel does not answer: ${silence}`);
}

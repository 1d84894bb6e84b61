import type { Clock } from '#core';
import type { DumpDoneRecord } from '#native';

/** A burst that overflows again and again asks for no more dumps than this. */
const PAUSE_MS = 100;

export interface DumpsOptions {
  readonly clock: Clock;
  /** Ends the waiting for the next dump. */
  readonly signal: AbortSignal;
  /** Starts a dump, and says which it is. */
  readonly ask: () => number;
  /** The dump after a pause could not be asked for, or the signal came first. */
  readonly onError: (error: unknown) => void;
}

/** One dump at a time, and a pause between them. */
export class Dumps {
  readonly #options: DumpsOptions;
  #current: number | null = null;
  /** The one under way proves nothing: another follows. */
  #again = false;
  #pausing = false;
  #askedAt = -Infinity;

  constructor(options: DumpsOptions) {
    this.#options = options;
  }

  /** A dump, if none is under way. */
  request(): void {
    if (this.#current === null && !this.#pausing) this.#next();
  }

  /** Something was lost beside the one under way, if there is one. */
  distrust(): void {
    this.#again = this.#current !== null;
  }

  isCurrent(dump: number): boolean {
    return dump === this.#current;
  }

  /** Whether what it listed is the truth now; if not, another dump follows. */
  finished({ dump, interrupted, errno }: DumpDoneRecord): boolean {
    if (dump !== this.#current) return false;
    this.#current = null;
    if (!interrupted && errno === null && !this.#again) return true;
    this.#next();
    return false;
  }

  #next(): void {
    const { clock, onError } = this.#options;
    const waitMs = this.#askedAt + PAUSE_MS - clock.monotonic();
    if (waitMs <= 0) {
      this.#ask();
      return;
    }
    this.#pausing = true;
    this.#askAfter(waitMs).catch(onError);
  }

  async #askAfter(waitMs: number): Promise<void> {
    await this.#options.clock.sleep(waitMs, this.#options.signal);
    this.#ask();
  }

  #ask(): void {
    this.#pausing = false;
    this.#again = false;
    this.#askedAt = this.#options.clock.monotonic();
    this.#current = this.#options.ask();
  }
}

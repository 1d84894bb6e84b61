import type { Clock } from '#core';
import type { DumpDoneRecord } from '#native';

/** A burst that overflows again and again asks for no more dumps than this. */
const PAUSE_MS = 100;
/** The longest pause after dumps that the kernel refused one after the other. */
const LONGEST_PAUSE_MS = 30_000;
/** What the kernel does not tell is asked for so long after what it told. */
const SOON_MS = 1000;

export interface DumpsOptions {
  readonly clock: Clock;
  /** Ends the waiting for the next dump. */
  readonly signal: AbortSignal;
  /** Starts a dump, and says which it is. */
  readonly ask: () => number;
  /** The dump after a pause could not be asked for, or the signal came first. */
  readonly onError: (error: unknown) => void;
}

/** One dump of a namespace at a time, and a pause between them. */
export class Dumps {
  readonly #options: DumpsOptions;
  #current: number | null = null;
  /** The one under way proves nothing: another follows. */
  #again = false;
  #pausing = false;
  #expected = false;
  #pauseMs = PAUSE_MS;
  #askedAt = -Infinity;

  constructor(options: DumpsOptions) {
    this.#options = options;
  }

  /** A dump, if none is under way. */
  request(): void {
    if (this.#current === null && !this.#pausing) this.#next();
  }

  /** A dump a while after the first of what is seen now. */
  requestSoon(): void {
    if (this.#expected) return;
    this.#expected = true;
    this.#later(SOON_MS, () => {
      this.#expected = false;
      this.distrust();
      this.request();
    });
  }

  /** Something was lost beside the one under way, if there is one. */
  distrust(): void {
    this.#again = this.#current !== null;
  }

  isCurrent(dump: number): boolean {
    return dump === this.#current;
  }

  /** The current dump has ended: whether what it listed is the truth now; if not, another dump follows. */
  finished({ interrupted, errno }: DumpDoneRecord): boolean {
    this.#current = null;
    this.#pauseMs = errno === null ? PAUSE_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    if (!interrupted && errno === null && !this.#again) return true;
    this.#next();
    return false;
  }

  #next(): void {
    const waitMs = this.#askedAt + this.#pauseMs - this.#options.clock.monotonic();
    if (waitMs <= 0) return this.#ask();
    this.#pausing = true;
    this.#later(waitMs, () => this.#ask());
  }

  #later(ms: number, call: () => void): void {
    const { clock, signal, onError } = this.#options;
    clock.sleep(ms, signal).then(call).catch(onError);
  }

  #ask(): void {
    this.#pausing = false;
    this.#again = false;
    this.#askedAt = this.#options.clock.monotonic();
    this.#current = this.#options.ask();
  }
}

/** What was judged a moment ago: the same question has the same answer (spec leanvibe L14, L15). */
export interface CacheOptions {
  /** 0: nothing is remembered. */
  readonly keepMs: number;
  /** Beyond it, what was not asked for longest is forgotten. */
  readonly size: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Kept<T> {
  readonly value: T;
  readonly until: number;
}

export class Cache<T> {
  readonly #options: CacheOptions;
  /** The one asked for longest ago first. */
  readonly #kept = new Map<string, Kept<T>>();

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): T | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    if (kept.until <= this.#options.now()) return undefined;
    this.#kept.set(key, kept);
    return kept.value;
  }

  set(key: string, value: T): void {
    const { keepMs, size, now } = this.#options;
    if (keepMs <= 0) return;
    this.#kept.delete(key);
    this.#kept.set(key, { value, until: now() + keepMs });
    if (this.#kept.size <= size) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

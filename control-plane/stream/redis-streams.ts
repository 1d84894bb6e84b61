/** Keeps Redis Streams fed, through whatever Redis goes (spec leanvibe B6 and B8, rows L28 to L31). Nobody waits for it. */
import { circuitBreaker, type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, handleAll } from 'cockatiel';

import { type Clock, type Component, errorText, type Log } from '#core';

import type { RedisEntry } from './redis-entry.ts';
import type { RedisEvents, RedisPort } from './redis-port.ts';

export interface RedisPace {
  /** Entries that wait while Redis is away, and bytes of them; beyond, the oldest are lost. */
  readonly entries: number;
  readonly bytes: number;
  /** Pause after the first failure; doubled after each further one, up to the last. */
  readonly firstPauseMs: number;
  readonly lastPauseMs: number;
  /** Failures in a row that open the breaker, and how long it stays open. */
  readonly failures: number;
  readonly openMs: number;
  /** Between two looks for what is too old. */
  readonly trimMs: number;
}

export const REDIS_PACE: RedisPace = {
  entries: 10_000,
  bytes: 16 << 20,
  firstPauseMs: 100,
  lastPauseMs: 5000,
  failures: 5,
  openMs: 10_000,
  trimMs: 60_000,
};

/** Entries of one transaction. */
const WRITE_ENTRIES = 500;

export interface RedisStreamsOptions {
  readonly open: (events: RedisEvents) => Promise<RedisPort>;
  readonly ttlSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly pace?: Partial<RedisPace>;
}

/** Entries since the start, but for `waiting`. */
export interface RedisCounts {
  readonly state: 'connected' | 'away' | 'breaker-open';
  /** '' when nothing is wrong. */
  readonly problem: string;
  readonly waiting: number;
  readonly written: number;
  readonly lost: number;
}

export class RedisStreams implements Component {
  readonly #options: RedisStreamsOptions;
  readonly #pace: RedisPace;
  readonly #breaker: CircuitBreakerPolicy;
  readonly #stop = new AbortController();
  /** Oldest first. */
  readonly #waiting: RedisEntry[] = [];
  #bytes = 0;
  /** Taken out of `#waiting` until it is known that they are written. */
  #underWay: readonly RedisEntry[] = [];
  #attempting: Promise<void> | null = null;
  #port: RedisPort | null = null;
  #writing: Promise<void> | null = null;
  #written = 0;
  #lost = 0;
  #lostInBurst = 0;
  #problem = 'not connected yet';
  #cancelTrim: () => void = () => undefined;

  constructor(options: RedisStreamsOptions) {
    this.#options = options;
    this.#pace = { ...REDIS_PACE, ...options.pace };
    const { failures, openMs } = this.#pace;
    this.#breaker = circuitBreaker(handleAll, { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(failures) });
  }

  get counts(): RedisCounts {
    const isOpen = this.#breaker.state === CircuitState.Open;
    return {
      state: isOpen ? 'breaker-open' : this.#problem === '' ? 'connected' : 'away',
      problem: this.#problem,
      waiting: this.#waiting.length + this.#underWay.length,
      written: this.#written,
      lost: this.#lost,
    };
  }

  /** Does not wait for Redis: it may come later. */
  async start(): Promise<void> {
    const { open } = this.#options;
    this.#port = await open({ onReady: () => this.#ready(), onError: (error) => this.#failed(error) });
    this.#trimLater();
    this.#write();
  }

  /** Takes entries, in their order; what there is no room for pushes out the oldest. */
  take(entries: readonly RedisEntry[]): void {
    for (const entry of entries) {
      this.#waiting.push(entry);
      this.#bytes += entry.bytes;
    }
    this.#makeRoom();
    this.#write();
  }

  /** Until everything is written, or `deadline` aborts. */
  async drain(deadline: AbortSignal): Promise<void> {
    const over = new Promise<void>((resolve) => {
      if (deadline.aborted) resolve();
      deadline.addEventListener('abort', () => resolve(), { once: true });
    });
    while (this.#writing && !deadline.aborted) await Promise.race([this.#writing, over]);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the control plane stops'));
    this.#cancelTrim();
    await this.#writing;
    this.#port?.close();
    const { waiting } = this.counts;
    if (waiting > 0) this.#options.log.warn({ waiting }, 'entries for redis are lost: it is away at the stop');
    this.#lost += waiting;
    this.#waiting.length = 0;
    this.#underWay = [];
  }

  /** Entries of a session that were deleted, those that waited included. Rejects when Redis is away. */
  async forget(session: string): Promise<number> {
    const isOther = ({ fields }: RedisEntry): boolean => fields.session_id !== session;
    const kept = this.#waiting.filter(isOther);
    const dropped = this.#waiting.length - kept.length;
    this.#waiting.splice(0, Infinity, ...kept);
    this.#bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    await this.#attempting?.catch(() => undefined);
    // Still here: it was not written, and is tried again without them.
    const left = this.#underWay.filter(isOther);
    const withdrawn = this.#underWay.length - left.length;
    this.#underWay = left;
    return dropped + withdrawn + ((await this.#port?.forget(session)) ?? 0);
  }

  #write(): void {
    if (this.#writing || !this.#port || this.#waiting.length === 0 || this.#stop.signal.aborted) return;
    this.#writing = this.#writeAll(this.#port)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#writing = null;
        this.#write();
      });
  }

  /** One transaction after the other, each until it is written; rejects at the stop alone. */
  async #writeAll(port: RedisPort): Promise<void> {
    const { signal } = this.#stop;
    while (this.#waiting.length > 0 && !signal.aborted) {
      this.#underWay = this.#waiting.splice(0, WRITE_ENTRIES);
      for (const { bytes } of this.#underWay) this.#bytes -= bytes;
      await this.#persist(() => this.#attempt(port));
      this.#recovered();
    }
  }

  /** Again and again, with growing pauses; while the breaker is open nothing is asked of Redis. */
  async #persist(attempt: () => Promise<void>): Promise<void> {
    const { firstPauseMs, lastPauseMs } = this.#pace;
    const { signal } = this.#stop;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
      try {
        await this.#breaker.execute(attempt);
        return;
      } catch {
        await this.#options.clock.sleep(pauseMs, signal);
      }
    }
  }

  async #attempt(port: RedisPort): Promise<void> {
    if (this.#underWay.length === 0) return;
    try {
      this.#attempting = port.write(this.#underWay, this.#options.ttlSeconds);
      await this.#attempting;
      // At once: who waits for the attempt, too, must not find them here.
      this.#written += this.#underWay.length;
      this.#underWay = [];
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #ready(): void {
    this.#problem = '';
    this.#options.log.info({}, 'redis connected');
    this.#trim();
  }

  /** Told once, until it is well again. */
  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    if (this.#problem === '' || this.#problem === 'not connected yet')
      this.#options.log.warn({ error: errorText(error) }, 'redis is away: entries for it wait');
    this.#problem = errorText(error) || 'connection failed';
  }

  #recovered(): void {
    this.#problem = '';
    if (this.#lostInBurst === 0) return;
    this.#options.log.warn({ lost: this.#lostInBurst }, 'entries for redis were lost while it was away');
    this.#lostInBurst = 0;
  }

  #makeRoom(): void {
    const { entries, bytes } = this.#pace;
    let tooMany = 0;
    for (const entry of this.#waiting) {
      if (this.#waiting.length - tooMany <= entries && this.#bytes <= bytes) break;
      this.#bytes -= entry.bytes;
      tooMany++;
    }
    if (tooMany === 0) return;
    this.#waiting.splice(0, tooMany);
    if (this.#lostInBurst === 0) this.#options.log.warn({ waiting: entries }, 'entries for redis are being lost');
    this.#lost += tooMany;
    this.#lostInBurst += tooMany;
  }

  #trimLater(): void {
    this.#cancelTrim = this.#options.clock.after(this.#pace.trimMs, () => {
      this.#trim();
      this.#trimLater();
    });
  }

  #trim(): void {
    this.#port?.trim(this.#options.ttlSeconds).catch((error: unknown) => this.#failed(error));
  }
}

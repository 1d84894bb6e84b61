import { errorText, EXPIRY } from '#core';

import type { Entry } from '../journal/entry.ts';
import { interrupted } from './attempt.ts';
import { Fifo } from './fifo.ts';
import { Limiter } from './limiter.ts';
import type { HookRuntime, RunnerDeps } from './runtime.ts';
import { finish, type Later, takeTurn, timeLeft } from './turn.ts';

/** Entries of one asynchronous hook that are worked on at a time; the others wait in the journal. */
const ACTIVE_AT_MOST = 1024;
/** Pause of an entry that could not be worked on. */
const DEFECT_PAUSE_MS = 2000;
const STOPPED = new Error('the sidecar stopped during the attempt');
const CHANGED = new Error('the hook was changed');

/** Works off the entries of one hook: in turns, with pauses between them, until each has its outcome. */
export class HookRunner {
  readonly #deps: RunnerDeps;
  /** Ends waits: for a key, a limit, the next attempt. */
  readonly #quit = new AbortController();
  /** Ends attempts. */
  readonly #stop = new AbortController();
  readonly #queue = new Fifo<Entry>();
  readonly #active = new Set<Promise<void>>();
  readonly #paused = new Map<Entry, AbortController>();
  /** Ends the waits of the current version's turns. */
  #changed = new AbortController();
  #waits = AbortSignal.any([this.#quit.signal, this.#changed.signal]);
  #runtime: HookRuntime;
  #limiter: Limiter | null = null;
  /** Turns under way, by version of the hook. */
  readonly #inUse = new Map<HookRuntime, number>();

  constructor(runtime: HookRuntime, deps: RunnerDeps) {
    this.#deps = deps;
    this.#runtime = runtime;
    this.#setLimit(runtime);
  }

  get runtime(): HookRuntime {
    return this.#runtime;
  }

  /** Turns under way. */
  get active(): number {
    return this.#active.size;
  }

  /** Entries that wait for a retry or for their turn. */
  get waiting(): number {
    return this.#queue.length + this.#paused.size;
  }

  /** In the order of routing. */
  push(entry: Entry): void {
    this.#queue.push(entry);
    this.#pump();
  }

  /**
   * A new version of the hook. Attempts under way end with the old one, whose actions stop then; whatever waits begins anew
   * with the new one at once: it may be the mend.
   */
  async update(runtime: HookRuntime): Promise<void> {
    const old = this.#runtime;
    this.#runtime = runtime;
    this.#setLimit(runtime);
    this.#changed.abort(CHANGED);
    this.#changed = new AbortController();
    this.#waits = AbortSignal.any([this.#quit.signal, this.#changed.signal]);
    for (const entry of this.#wakeAll()) this.push(entry);
    await this.#retire(old);
  }

  /** Starts nothing new and waits for rounds under way; when `deadline` aborts they are interrupted. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#quit.abort(STOPPED);
    const abort = (): void => this.#stop.abort(STOPPED);
    if (deadline.aborted) abort();
    deadline.addEventListener('abort', abort, { once: true });
    // Attempts that wait inside of an action for others need not.
    const drained = new Set([this.#runtime, ...this.#inUse.keys()]);
    await Promise.allSettled([...this.#active, ...[...drained].map((runtime) => runtime.drain?.(deadline))]);
    deadline.removeEventListener('abort', abort);
  }

  async stop(): Promise<void> {
    this.#quit.abort(STOPPED);
    this.#stop.abort(STOPPED);
    this.#wakeAll();
    await Promise.allSettled(this.#active);
    await this.#runtime.stop?.();
  }

  /** The hook is gone: what still waits is dropped, with that reason. */
  async dropWaiting(): Promise<void> {
    const waiting = [...this.#queue, ...this.#wakeAll()];
    this.#queue.clear();
    for (const entry of waiting) await dropRemoved(this.#deps, entry);
  }

  /** A limit that stays the same goes on counting. */
  #setLimit({ hook: { spec } }: HookRuntime): void {
    const { limit } = spec;
    const rate = this.#limiter?.rate;
    if (limit && rate?.count === limit.count && rate.per === limit.per) return;
    this.#limiter = limit ? new Limiter(limit, this.#deps.clock) : null;
  }

  async #retire(runtime: HookRuntime): Promise<void> {
    if (this.#inUse.has(runtime)) return;
    try {
      await runtime.stop?.();
    } catch (error) {
      this.#deps.log.error({ hook: runtime.id, error }, 'action could not be stopped');
    }
  }

  #pump(): void {
    const atMost = this.#runtime.hook.spec.run === 'sync' ? 1 : ACTIVE_AT_MOST;
    while (!this.#quit.signal.aborted && this.#active.size < atMost) {
      const entry = this.#queue.shift();
      if (!entry) return;
      const work = this.#work(entry).finally(() => {
        this.#active.delete(work);
        this.#pump();
      });
      this.#active.add(work);
    }
  }

  async #work(entry: Entry): Promise<void> {
    const runtime = this.#runtime;
    const quit = this.#waits;
    this.#inUse.set(runtime, (this.#inUse.get(runtime) ?? 0) + 1);
    try {
      const { signal: stop } = this.#stop;
      const later = await takeTurn({ deps: this.#deps, runtime, limiter: this.#limiter, entry, quit, stop });
      if (later) this.#pause(entry, later);
    } catch (error) {
      // It waits again: for the next version, for the next process or for being dropped.
      if (quit.aborted) this.#queue.unshift(entry);
      else {
        this.#deps.log.error({ hook: runtime.id, error }, 'entry could not be worked on');
        this.#pause(entry, { waitsFor: errorText(error), pauseMs: DEFECT_PAUSE_MS });
      }
    } finally {
      const users = (this.#inUse.get(runtime) ?? 1) - 1;
      if (users > 0) this.#inUse.set(runtime, users);
      else this.#inUse.delete(runtime);
      if (runtime !== this.#runtime) await this.#retire(runtime);
    }
  }

  #pause(entry: Entry, { waitsFor, pauseMs }: Later): void {
    if (this.#quit.signal.aborted) {
      this.#queue.push(entry);
      return;
    }
    const { clock, onProgress } = this.#deps;
    const leftMs = Math.max(0, timeLeft({ deps: this.#deps, runtime: this.#runtime, entry }));
    const waitMs = Math.min(pauseMs, leftMs);
    // No attempt follows: it only waits for its end.
    onProgress(entry, entry.attempts, leftMs > pauseMs ? waitsFor : EXPIRY, clock.now() + waitMs);
    const pause = new AbortController();
    this.#paused.set(entry, pause);
    const resume = (): void => {
      this.#paused.delete(entry);
      this.push(entry);
    };
    clock.sleep(waitMs, pause.signal).then(resume, () => undefined);
  }

  /** Ends the pauses and returns whose they were. */
  #wakeAll(): Entry[] {
    const entries = [...this.#paused.keys()];
    for (const pause of this.#paused.values()) pause.abort();
    this.#paused.clear();
    return entries;
  }
}

/** Ends an entry whose hook is gone. */
export async function dropRemoved(deps: RunnerDeps, entry: Entry): Promise<void> {
  for (const open of entry.open) await deps.journal.result(entry, interrupted(open));
  await finish(deps, entry, 'dropped', { reason: 'hook-removed' });
}

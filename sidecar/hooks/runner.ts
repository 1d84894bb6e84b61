import {
  ATTRIBUTE,
  type AttemptRecord,
  type Clock,
  errorText,
  type Log,
  type OutcomeName,
  REJECTED_WINDOW_MS,
  SPAN,
  startSpan,
  type TrotlineEvent,
} from '#core';

import { age, type BootClock } from '../boottime.ts';
import type { Claimed, Claims, Grant } from '../claims/claims.ts';
import type { Entry } from '../journal/entry.ts';
import type { Journal } from '../journal/journal.ts';
import { interrupted } from './attempt.ts';
import { Limiter } from './limiter.ts';
import { type ActionEnd, finalOf, jittered, outcomeOf, runRound } from './round.ts';
import type { HookRuntime } from './runtime.ts';

/** Entries of one asynchronous hook that are worked on at a time; the others wait in the journal. */
const ACTIVE_AT_MOST = 1024;
/** Pauses between rounds: doubled from the first to the last (design section 6.7). */
const FIRST_PAUSE_MS = 30_000;
const LAST_PAUSE_MS = 300_000;
/** A hook that waits for the control plane asks again after this. */
const AWAY_PAUSE_MS = 2000;
const DEFAULT_WINDOW_MS = 600_000;
const STOPPED = new Error('the sidecar stopped during the attempt');

export interface RunnerDeps {
  readonly journal: Journal;
  readonly claims: Claims;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly log: Log;
  /** An entry has its outcome. */
  readonly onFinal: () => void;
  /** A pending entry waits for something worth telling. */
  readonly onProgress: (
    entry: Entry,
    attempts: readonly AttemptRecord[],
    waitsFor: string,
    nextAttemptMs: number,
  ) => void;
}

/** Why an entry left its round without an outcome, and when it comes back. */
interface Later {
  readonly waitsFor: string;
  readonly pauseMs: number;
  /** Whether it counts as a round that failed. */
  readonly failed: boolean;
}

/** Works off the entries of one hook: claims, rounds, pauses, outcome. */
export class HookRunner {
  readonly #deps: RunnerDeps;
  /** Ends waits: for a key, a limit, the next attempt. */
  readonly #quit = new AbortController();
  /** Ends attempts. */
  readonly #stop = new AbortController();
  readonly #queue: Entry[] = [];
  readonly #active = new Set<Promise<void>>();
  readonly #paused = new Map<Entry, NodeJS.Timeout>();
  /** Rounds that failed, by pending entry, in this life. */
  readonly #rounds = new Map<number, number>();
  #runtime: HookRuntime;
  #limiter: Limiter | null = null;
  #inUse = new Map<HookRuntime, number>();

  constructor(runtime: HookRuntime, deps: RunnerDeps) {
    this.#deps = deps;
    this.#runtime = runtime;
    this.#setLimit(runtime);
  }

  get runtime(): HookRuntime {
    return this.#runtime;
  }

  /** Rounds under way. */
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

  /** A new version of the hook; rounds under way end with the old one, whose actions stop then. */
  async update(runtime: HookRuntime): Promise<void> {
    const old = this.#runtime;
    this.#runtime = runtime;
    this.#setLimit(runtime);
    await this.#retire(old);
  }

  /** Starts nothing new and waits for rounds under way; when `deadline` aborts they are interrupted. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#quit.abort(STOPPED);
    const abort = (): void => this.#stop.abort(STOPPED);
    if (deadline.aborted) abort();
    deadline.addEventListener('abort', abort, { once: true });
    await Promise.allSettled(this.#active);
  }

  async stop(): Promise<void> {
    this.#quit.abort(STOPPED);
    this.#stop.abort(STOPPED);
    for (const timer of this.#paused.values()) clearTimeout(timer);
    await Promise.allSettled(this.#active);
    await this.#runtime.stop?.();
  }

  /** The hook is gone: what still waits is dropped, with that reason. */
  async dropWaiting(): Promise<void> {
    const waiting = [...this.#queue.splice(0), ...this.#paused.keys()];
    for (const timer of this.#paused.values()) clearTimeout(timer);
    this.#paused.clear();
    for (const entry of waiting) await this.#finish(entry, 'dropped', 'hook-removed', [], false);
  }

  #setLimit({ hook: { spec } }: HookRuntime): void {
    this.#limiter = spec.limit ? new Limiter(spec.limit, this.#deps.clock) : null;
  }

  async #retire(runtime: HookRuntime): Promise<void> {
    if ((this.#inUse.get(runtime) ?? 0) === 0) await runtime.stop?.();
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
    this.#inUse.set(runtime, (this.#inUse.get(runtime) ?? 0) + 1);
    try {
      const later = await this.#once(runtime, entry);
      if (later) this.#pause(entry, later);
      else this.#rounds.delete(entry.n);
    } catch (error) {
      if (this.#quit.signal.aborted) return;
      this.#deps.log.error({ hook: runtime.id, error }, 'entry could not be worked on');
      this.#pause(entry, { waitsFor: errorText(error), pauseMs: AWAY_PAUSE_MS, failed: false });
    } finally {
      this.#inUse.set(runtime, (this.#inUse.get(runtime) ?? 1) - 1);
      if (runtime !== this.#runtime) await this.#retire(runtime);
    }
  }

  /** Null when the entry has its outcome. */
  async #once(runtime: HookRuntime, entry: Entry): Promise<Later | null> {
    const { journal, clock } = this.#deps;
    const { spec } = runtime.hook;
    if (spec.mode === 'audit') return this.#finish(entry, 'audited', '', [], false);
    for (const open of entry.open) await journal.result(entry, interrupted(open, clock));
    const event = await journal.event(entry);
    const leftMs = spec.giveUpAfter - this.#age(entry);
    if (leftMs <= 0) return this.#finish(entry, 'expired', `after ${spec.giveUpAfter} ms`, entry.attempts, false);
    if (this.#limiter && !(await this.#underLimit(leftMs))) {
      return this.#finish(entry, 'expired', 'waited for its limit', entry.attempts, false);
    }
    const claimed = await this.#claim(runtime, entry, event);
    switch (claimed.kind) {
      case 'granted':
        return this.#round(runtime, entry, event, claimed);
      case 'done':
        return this.#done(runtime, entry);
      case 'drop':
        return this.#finish(entry, 'dropped', claimed.reason, entry.attempts, true);
      default:
        return { waitsFor: 'the control plane', pauseMs: AWAY_PAUSE_MS, failed: false };
    }
  }

  async #underLimit(leftMs: number): Promise<boolean> {
    const signal = AbortSignal.any([this.#quit.signal, AbortSignal.timeout(Math.ceil(leftMs))]);
    try {
      await this.#limiter?.take(signal);
      return true;
    } catch (error) {
      if (this.#quit.signal.aborted) throw error;
      return false;
    }
  }

  async #claim({ hook }: HookRuntime, entry: Entry, event: TrotlineEvent): Promise<Claimed> {
    if ((hook.spec.dedup?.scope ?? 'none') === 'none') return this.#deps.claims.claim(hook, event, this.#quit.signal);
    const span = startSpan(
      SPAN.claim,
      { [ATTRIBUTE.hook]: entry.hook, [ATTRIBUTE.eventId]: entry.eventId },
      event.traceparent,
    );
    try {
      const claimed = await this.#deps.claims.claim(hook, event, this.#quit.signal);
      span.setAttribute(ATTRIBUTE.claim, claimed.kind);
      if (claimed.kind === 'granted') span.setAttribute(ATTRIBUTE.fence, claimed.fence);
      return claimed;
    } finally {
      span.end();
    }
  }

  /** The window is open: somebody answered, unless it was this very entry before a crash. */
  #done({ hook, actions }: HookRuntime, entry: Entry): Promise<null> {
    const ends = actions.map(({ index }) => finalOf(entry.attempts, index, hook));
    const finals = ends.filter((end) => end !== null);
    if (finals.length === ends.length)
      return this.#finish(entry, outcomeOf(finals), reasonOf(entry.attempts), entry.attempts, false);
    return this.#finish(entry, 'deduplicated', '', entry.attempts, false);
  }

  async #round(runtime: HookRuntime, entry: Entry, event: TrotlineEvent, grant: Grant): Promise<Later | null> {
    const { journal, clock, log, onProgress } = this.#deps;
    const { spec } = runtime.hook;
    const attempts = [...entry.attempts];
    const ends = await runRound({
      deps: { journal, clock, log },
      runtime,
      entry,
      event,
      signal: grant.fence === 0 ? this.#stop.signal : AbortSignal.any([this.#stop.signal, grant.lost]),
      waitSignal: this.#quit.signal,
      expired: () => this.#age(entry) >= spec.giveUpAfter,
      attempts,
      // Without a claim and with one action nothing happens between its end and the outcome: one record tells both.
      recordFinal: grant.fence !== 0 || runtime.actions.length > 1,
      onRetry: (nextAttemptMs) => onProgress(entry, attempts, reasonOf(attempts), nextAttemptMs),
    });
    const pending = ends.filter((end) => typeof end !== 'string');
    const expired = this.#age(entry) >= spec.giveUpAfter;
    if (pending.length > 0 && !expired) {
      await grant.release();
      if (this.#quit.signal.aborted) throw STOPPED;
      return this.#nextRound(entry, pending, attempts);
    }
    const uncoordinated =
      grant.uncoordinated || !(await this.#conclude(grant, ends, spec.dedup?.window ?? DEFAULT_WINDOW_MS));
    return this.#finish(entry, outcomeOf(ends), reasonOf(attempts), attempts, uncoordinated);
  }

  /** Opens the window that the ends deserve; false: the control plane could not be told. */
  async #conclude(grant: Grant, ends: readonly ActionEnd[], windowMs: number): Promise<boolean> {
    if (ends.includes('delivered')) return grant.complete(windowMs);
    if (ends.includes('rejected')) return grant.complete(Math.min(windowMs, REJECTED_WINDOW_MS));
    await grant.release();
    return true;
  }

  #nextRound(entry: Entry, pending: readonly Exclude<ActionEnd, string>[], attempts: readonly AttemptRecord[]): Later {
    const rounds = this.#rounds.get(entry.n) ?? 0;
    const asked = Math.max(...pending.map(({ afterMs }) => afterMs));
    const pauseMs = asked > 0 ? asked : jittered(Math.min(FIRST_PAUSE_MS * 2 ** rounds, LAST_PAUSE_MS));
    return { waitsFor: reasonOf(attempts), pauseMs, failed: true };
  }

  #pause(entry: Entry, { waitsFor, pauseMs, failed }: Later): void {
    if (failed) this.#rounds.set(entry.n, (this.#rounds.get(entry.n) ?? 0) + 1);
    if (this.#quit.signal.aborted) return;
    const leftMs = Math.max(0, this.#runtime.hook.spec.giveUpAfter - this.#age(entry));
    const waitMs = Math.min(pauseMs, leftMs);
    this.#deps.onProgress(entry, entry.attempts, waitsFor, this.#deps.clock.now() + waitMs);
    const timer = setTimeout(() => {
      this.#paused.delete(entry);
      this.push(entry);
    }, waitMs).unref();
    this.#paused.set(entry, timer);
  }

  async #finish(
    entry: Entry,
    outcome: OutcomeName,
    reason: string,
    attempts: readonly AttemptRecord[],
    uncoordinated: boolean,
  ): Promise<null> {
    const { journal, clock, onFinal } = this.#deps;
    const { eventId, hook } = entry;
    await journal.finish(entry, { eventId, hook, outcome, reason, uncoordinated, timeMs: clock.now(), attempts });
    onFinal();
    return null;
  }

  #age(entry: Entry): number {
    const { bootClock } = this.#deps;
    return age(entry.at, entry.bootId, bootClock.moment(), bootClock.bootId);
  }
}

/** The newest attempt's reason that is not empty. */
function reasonOf(attempts: readonly AttemptRecord[]): string {
  return attempts.findLast(({ reason }) => reason !== '')?.reason ?? '';
}

import { setImmediate as nextTurn } from 'node:timers/promises';

import type { AttemptRecord, Log, TrotlineEvent } from '#core';

import type { Entry } from '../journal/entry.ts';
import { createRouter, type RoutedHook, type Router } from '../router.ts';
import { createSlices } from '../slices.ts';
import { dropRemoved, HookRunner } from './runner.ts';
import type { HookRuntime, RunnerDeps } from './runtime.ts';
import { finish } from './turn.ts';

/** Entries that start or end before the event loop gets a turn. */
const SLICE = 64;

/** The hooks that run on this node: routes to them, and swaps them without losing an event. */
export class HookSet {
  readonly #deps: RunnerDeps;
  readonly #log: Log;
  readonly #runners = new Map<string, HookRunner>();
  /** Entries of a former process whose hook has not come yet. */
  readonly #orphans = new Map<string, Entry[]>();
  /** Removed, with rounds still under way. */
  readonly #leaving = new Set<HookRunner>();
  /** Ids of every hook of the newest set of the control plane; null: none has come yet. */
  #known: ReadonlySet<string> | null = null;
  #router: Router = createRouter([]);
  #draining = false;
  #ready = false;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.#log = deps.log;
  }

  route(event: TrotlineEvent): readonly RoutedHook[] {
    return this.#router.route(event);
  }

  /** A set was applied, if only the last good one: what no hook matches is known to be nobody's. */
  get ready(): boolean {
    return this.#ready;
  }

  /** A journaled entry that actions have judged while an agent waited; what else its hook does follows. */
  async runJudged(entry: Entry, attempts: readonly AttemptRecord[]): Promise<void> {
    const runtime = this.get(entry.hook);
    const judged = new Set(attempts.map(({ action }) => action));
    if (runtime?.actions.some(({ index }) => !judged.has(index))) {
      for (const attempt of attempts) await this.#deps.journal.result(entry, attempt);
      this.run(entry);
      return;
    }
    const failed = attempts.find(({ status }) => status === 'rejected');
    const outcome = runtime?.hook.spec.mode === 'audit' ? 'audited' : failed ? 'rejected' : 'delivered';
    await finish(this.#deps, entry, outcome, { attempts, reason: failed?.reason ?? '' });
  }

  /** A journaled entry, in order. */
  run(entry: Entry): void {
    const runner = this.#runners.get(entry.hook);
    if (runner) runner.push(entry);
    else if (this.#known === null || this.#known.has(entry.hook)) this.#orphan(entry);
    // Its hook was removed while it was on its way into the journal.
    else
      dropRemoved(this.#deps, entry).catch((error: unknown) =>
        this.#log.error({ hook: entry.hook, error }, 'entry not dropped'),
      );
  }

  get(id: string): HookRuntime | undefined {
    return this.#runners.get(id)?.runtime;
  }

  get runtimes(): HookRuntime[] {
    return [...this.#runners.values()].map(({ runtime }) => runtime);
  }

  /** Entries whose rounds are under way, and those that wait. */
  get load(): { readonly active: number; readonly waiting: number } {
    let active = 0;
    let waiting = 0;
    for (const runner of this.#runners.values()) {
      active += runner.active;
      waiting += runner.waiting;
    }
    return { active, waiting };
  }

  /** Entries of a former process, in order. */
  async runAll(entries: readonly Entry[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      this.run(entry);
      if (index % SLICE === SLICE - 1) await nextTurn();
    }
  }

  /**
   * Replaces the set: the order is the order of routing. Hooks that are in both with the same runtime go on untouched;
   * removed ones end their rounds, and what waited for them is dropped. `known`: ids of every hook of the set, also of
   * those that do not run; what waits for others is dropped too. Null: the set is only the last good one, all may wait.
   */
  async replace(runtimes: readonly HookRuntime[], known: ReadonlySet<string> | null): Promise<void> {
    if (this.#draining) {
      const running = new Set(this.runtimes);
      for (const runtime of runtimes) if (!running.has(runtime)) await runtime.stop?.();
      return;
    }
    const keep = new Set(runtimes.map(({ id }) => id));
    const work: Promise<unknown>[] = [];
    const slice = createSlices();
    // Runners first: nothing is routed to a hook that has none, nor to one whose runner is gone.
    for (const runtime of runtimes) {
      await slice();
      const runner = this.#runners.get(runtime.id);
      if (!runner) this.#runners.set(runtime.id, new HookRunner(runtime, this.#deps));
      else if (runner.runtime !== runtime) work.push(runner.update(runtime));
      work.push(this.#adopt(runtime.id));
    }
    this.#router = createRouter(runtimes);
    this.#ready = true;
    for (const [id, runner] of this.#runners) {
      if (keep.has(id)) continue;
      this.#runners.delete(id);
      this.#retire(runner);
    }
    if (known) {
      this.#known = known;
      work.push(this.#dropOrphans(known));
    }
    await Promise.all(work);
  }

  /** Not awaited by a change of the set: rounds of a removed hook end in their own time. */
  #retire(runner: HookRunner): void {
    const leaving = this.#remove(runner).finally(() => this.#leaving.delete(runner));
    leaving.catch((error: unknown) => this.#log.error({ hook: runner.runtime.id, error }, 'hook could not be removed'));
    this.#leaving.add(runner);
  }

  /** Nothing new starts; rounds under way end, or are interrupted when `deadline` aborts. */
  async drain(deadline: AbortSignal): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#runners.values(), ...this.#leaving].map((runner) => runner.drain(deadline)));
  }

  async stop(): Promise<void> {
    this.#draining = true;
    await Promise.all([...this.#runners.values(), ...this.#leaving].map((runner) => runner.stop()));
  }

  async #remove(runner: HookRunner): Promise<void> {
    await runner.dropWaiting();
    await runner.drain(NEVER);
    await runner.dropWaiting();
    await runner.stop();
  }

  #orphan(entry: Entry): void {
    const orphans = this.#orphans.get(entry.hook);
    if (orphans) orphans.push(entry);
    else this.#orphans.set(entry.hook, [entry]);
  }

  async #adopt(id: string): Promise<void> {
    const orphans = this.#orphans.get(id);
    if (!orphans) return;
    this.#orphans.delete(id);
    await this.runAll(orphans);
  }

  async #dropOrphans(known: ReadonlySet<string>): Promise<void> {
    for (const [hook, entries] of this.#orphans) {
      if (known.has(hook)) continue;
      this.#orphans.delete(hook);
      this.#log.warn({ hook, entries: entries.length }, 'entries of a removed hook dropped');
      for (let at = 0; at < entries.length; at += SLICE) {
        await Promise.all(entries.slice(at, at + SLICE).map((entry) => dropRemoved(this.#deps, entry)));
        await nextTurn();
      }
    }
  }
}

const NEVER = new AbortController().signal;

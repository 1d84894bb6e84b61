import type { Log, TrotlineEvent } from '#core';

import type { Entry } from '../journal/entry.ts';
import { createRouter, type RoutedHook, type Router } from '../router.ts';
import { HookRunner, type RunnerDeps } from './runner.ts';
import type { HookRuntime } from './runtime.ts';

/** The hooks that run on this node: routes to them, and swaps them without losing an event. */
export class HookSet {
  readonly #deps: RunnerDeps;
  readonly #log: Log;
  readonly #runners = new Map<string, HookRunner>();
  /** Entries of a former process whose hook has not come yet. */
  readonly #orphans = new Map<string, Entry[]>();
  /** Removed, with rounds still under way. */
  readonly #leaving = new Set<HookRunner>();
  #router: Router = createRouter([]);

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.#log = deps.log;
  }

  route(event: TrotlineEvent): readonly RoutedHook[] {
    return this.#router.route(event);
  }

  /** A journaled entry, in order. */
  run(entry: Entry): void {
    const runner = this.#runners.get(entry.hook);
    if (runner) runner.push(entry);
    else this.#orphan(entry);
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

  /**
   * Replaces the set: the order is the order of routing. Hooks that are in both with the same runtime go on untouched;
   * removed ones end their rounds, and what waited for them is dropped when `final` says that the set is the control
   * plane's word and not only the last good one.
   */
  async replace(runtimes: readonly HookRuntime[], final: boolean): Promise<void> {
    const keep = new Set(runtimes.map(({ id }) => id));
    this.#router = createRouter(runtimes);
    const work: Promise<unknown>[] = [];
    for (const runtime of runtimes) {
      const runner = this.#runners.get(runtime.id);
      if (!runner) this.#runners.set(runtime.id, new HookRunner(runtime, this.#deps));
      else if (runner.runtime !== runtime) work.push(runner.update(runtime));
      this.#adopt(runtime.id);
    }
    for (const [id, runner] of this.#runners) {
      if (keep.has(id)) continue;
      this.#runners.delete(id);
      this.#retire(runner);
    }
    if (final) work.push(this.#dropOrphans());
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
    await Promise.all([...this.#runners.values(), ...this.#leaving].map((runner) => runner.drain(deadline)));
  }

  async stop(): Promise<void> {
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

  #adopt(id: string): void {
    for (const entry of this.#orphans.get(id) ?? []) this.run(entry);
    this.#orphans.delete(id);
  }

  async #dropOrphans(): Promise<void> {
    const { journal, clock, onFinal } = this.#deps;
    for (const [hook, entries] of this.#orphans) {
      this.#log.warn({ hook, entries: entries.length }, 'entries of a removed hook dropped');
      this.#orphans.delete(hook);
      for (const entry of entries) {
        const { eventId, attempts } = entry;
        const outcome = { eventId, hook, outcome: 'dropped', reason: 'hook-removed', uncoordinated: false } as const;
        await journal.finish(entry, { ...outcome, timeMs: clock.now(), attempts });
      }
      onFinal();
    }
  }
}

const NEVER = new AbortController().signal;

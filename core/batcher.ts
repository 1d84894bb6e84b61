import type { Clock } from './clock.ts';

/** How things gather before they go on together (spec leanvibe B4, rows L16 to L19). */
export interface BatcherOptions<T> {
  /** Things in one batch. Default: 100. */
  readonly size?: number;
  /** Longest that a thing waits for others, milliseconds. Default: 1000. */
  readonly waitMs?: number;
  /** Sum of the weights in one batch; a single thing may be heavier. Default: any. */
  readonly maxWeight?: number;
  /** Things with this priority or a more urgent one (a lower number) wait for nobody. Default: 2. */
  readonly urgentUpTo?: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly priorityOf: (thing: T) => number;
  /** Default: 0. */
  readonly weightOf?: (thing: T) => number;
  /** Called with what goes on together, of one priority, in the order in which it came. Must not throw. */
  readonly onBatch: (things: readonly T[]) => void;
}

export const BATCH_SIZE = 100;
export const BATCH_WAIT_MS = 1000;
/** The original's 1 and 2 (spec leanvibe B1): errors, and what ends an agent. */
export const URGENT_UP_TO = 2;

interface Gathering<T> {
  readonly things: Set<T>;
  weight: number;
  readonly cancel: () => void;
}

/** One gathering for each priority. Nothing is lost: who ends it calls `flush`. */
export class Batcher<T> {
  readonly #options: Required<BatcherOptions<T>>;
  readonly #gatherings = new Map<number, Gathering<T>>();

  constructor(options: BatcherOptions<T>) {
    this.#options = {
      size: BATCH_SIZE,
      waitMs: BATCH_WAIT_MS,
      maxWeight: Infinity,
      urgentUpTo: URGENT_UP_TO,
      weightOf: () => 0,
      ...options,
    };
  }

  /** Things that wait. */
  get waiting(): number {
    let count = 0;
    for (const { things } of this.#gatherings.values()) count += things.size;
    return count;
  }

  /** The same thing twice is one. */
  add(thing: T): void {
    const { size, maxWeight, urgentUpTo, priorityOf, weightOf, onBatch } = this.#options;
    const priority = priorityOf(thing);
    if (priority <= urgentUpTo) {
      onBatch([thing]);
      return;
    }
    const weight = weightOf(thing);
    const before = this.#gatherings.get(priority);
    if (before && before.weight + weight > maxWeight) this.#send(priority);
    const gathering = this.#gatherings.get(priority) ?? this.#begin(priority);
    gathering.things.add(thing);
    gathering.weight += weight;
    if (gathering.things.size >= size) this.#send(priority);
  }

  /** Takes a thing out that waits. */
  remove(thing: T): void {
    const { priorityOf, weightOf } = this.#options;
    const priority = priorityOf(thing);
    const gathering = this.#gatherings.get(priority);
    if (!gathering?.things.delete(thing)) return;
    gathering.weight -= weightOf(thing);
    if (gathering.things.size === 0) this.#end(priority);
  }

  /** Everything goes on now, the most urgent first. */
  flush(): void {
    for (const priority of [...this.#gatherings.keys()].sort((a, b) => a - b)) this.#send(priority);
  }

  #begin(priority: number): Gathering<T> {
    const { clock, waitMs } = this.#options;
    const gathering = { things: new Set<T>(), weight: 0, cancel: clock.after(waitMs, () => this.#send(priority)) };
    this.#gatherings.set(priority, gathering);
    return gathering;
  }

  #send(priority: number): void {
    const things = this.#end(priority);
    if (things.size > 0) this.#options.onBatch([...things]);
  }

  #end(priority: number): ReadonlySet<T> {
    const gathering = this.#gatherings.get(priority);
    this.#gatherings.delete(priority);
    gathering?.cancel();
    return gathering?.things ?? new Set();
  }
}

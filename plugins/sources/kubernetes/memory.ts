/** What a life leaves to the next: which facts its pods had told, so that a restart misses nothing and repeats nothing. */
import { type Clock, errorText, isObject, type Log, type SourceMemory } from '#core';

const FORMAT = 1;
/** Changes of so long are written together. */
const WRITE_MS = 2000;

export interface PodMemory {
  readonly told: readonly string[];
  readonly trouble: string | null;
}

export interface Left {
  /** What happened before is old news: when the first life of all began to hear, milliseconds since the epoch. */
  readonly since: number;
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodMemory>;
}

export interface PodMemoriesOptions {
  readonly memory: SourceMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What is to be kept now. */
  readonly current: () => Left;
}

/** Writes in the background, behind what changes. */
export class PodMemories {
  readonly #options: PodMemoriesOptions;
  #due = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PodMemoriesOptions) {
    this.#options = options;
  }

  changed(): void {
    if (this.#due) return;
    this.#due = true;
    const { clock, signal } = this.#options;
    clock.sleep(WRITE_MS, signal).then(
      () => this.flush(),
      () => undefined,
    );
  }

  /** Also after the signal: at the stop. Never rejects. */
  flush(): Promise<void> {
    if (!this.#due) return this.#writing;
    this.#due = false;
    const { memory, log, current } = this.#options;
    const { since, pods } = current();
    const text = JSON.stringify({ version: FORMAT, since, pods: Object.fromEntries(pods) });
    this.#writing = memory.write(text).catch((error: unknown) => {
      log.warn({ error: errorText(error) }, 'what pods have told is not kept');
    });
    return this.#writing;
  }
}

/** Null: there was no life before, or none that this one understands. */
export function parseLeft(text: string | null): Left | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value) || value.version !== FORMAT || typeof value.since !== 'number' || !isObject(value.pods))
      return null;
    const pods = Object.entries(value.pods).flatMap(([uid, pod]): [string, PodMemory][] => {
      if (!isObject(pod) || !Array.isArray(pod.told)) return [];
      const told = pod.told.filter((id) => typeof id === 'string');
      return [[uid, { told, trouble: typeof pod.trouble === 'string' ? pod.trouble : null }]];
    });
    return { since: value.since, pods: new Map(pods) };
  } catch {
    return null;
  }
}

import { abortable } from '../waiting.ts';

/** One at a time for each key, first come, first served. */
export class KeyQueue {
  readonly #queues = new Map<string, (() => void)[]>();

  /** Resolves with what lets the next one in; rejects with the signal's reason. */
  async enter(key: string, signal: AbortSignal): Promise<() => void> {
    const queue = this.#queues.get(key);
    if (!queue) {
      signal.throwIfAborted();
      this.#queues.set(key, []);
    } else {
      await abortable<void>(signal, (resolve) => {
        const enter = (): void => resolve();
        queue.push(enter);
        return () => void queue.splice(queue.indexOf(enter), 1);
      });
    }
    return () => {
      const next = this.#queues.get(key)?.shift();
      if (next) next();
      else this.#queues.delete(key);
    };
  }
}

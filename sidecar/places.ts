import { abortable } from './waiting.ts';

interface Room {
  taken: number;
  readonly waiting: (() => void)[];
}

/** A limited number of places for each key, first come, first served. */
export class Places {
  readonly #rooms = new Map<string, Room>();

  /** Resolves with what gives the place to the next, once; rejects with the signal's reason. */
  async enter(key: string, count: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const room = this.#rooms.get(key) ?? { taken: 0, waiting: [] };
    this.#rooms.set(key, room);
    if (room.taken < count) room.taken++;
    else {
      // Whoever leaves hands the place over: it stays taken.
      await abortable<void>(signal, (resolve) => {
        const enter = (): void => resolve();
        room.waiting.push(enter);
        return () => void room.waiting.splice(room.waiting.indexOf(enter), 1);
      });
    }
    return () => {
      const next = room.waiting.shift();
      if (next) next();
      else if (--room.taken === 0) this.#rooms.delete(key);
    };
  }
}

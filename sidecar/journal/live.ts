import type { Position } from './segment-log.ts';

/** What a segment must be kept for. */
export interface Live {
  position: Position;
}

/** Live records by segment, so that a segment without any can go. */
export class LiveIndex<T extends Live> {
  readonly #segments = new Map<number, Set<T>>();
  #bytes = 0;

  /** Bytes of all live records. */
  get bytes(): number {
    return this.#bytes;
  }

  in(segment: number): ReadonlySet<T> {
    return this.#segments.get(segment) ?? new Set();
  }

  add(live: T): void {
    const { segment, length } = live.position;
    const others = this.#segments.get(segment);
    if (others) others.add(live);
    else this.#segments.set(segment, new Set([live]));
    this.#bytes += length;
  }

  remove(live: T): void {
    const { segment, length } = live.position;
    const others = this.#segments.get(segment);
    if (!others?.delete(live)) return;
    if (others.size === 0) this.#segments.delete(segment);
    this.#bytes -= length;
  }

  move(live: T, position: Position): void {
    this.remove(live);
    live.position = position;
    this.add(live);
  }
}

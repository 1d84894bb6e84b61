/** One more than the largest shard. A power of two. */
const SHARDS = 64;

/** A map that grows in small steps: a `Map` that doubles at 262,144 keys stands still for 13 ms. In no order. */
export class ShardedMap<V> {
  readonly #shards = Array.from({ length: SHARDS }, () => new Map<string, V>());

  get size(): number {
    return this.#shards.reduce((all, { size }) => all + size, 0);
  }

  get(key: string): V | undefined {
    return this.#of(key).get(key);
  }

  set(key: string, value: V): void {
    this.#of(key).set(key, value);
  }

  delete(key: string): boolean {
    return this.#of(key).delete(key);
  }

  /** Entries may be deleted meanwhile, none may be set: a key that is new may be missed, one that was deleted and is set again may come twice. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (const shard of this.#shards) yield* shard;
  }

  /** By the last characters, in which keys differ most; keys that end alike share a shard, and work all the same. */
  #of(key: string): Map<string, V> {
    let hash = key.length;
    for (let at = Math.max(0, key.length - 8); at < key.length; at++) hash = Math.imul(hash, 31) + key.charCodeAt(at);
    const shard = this.#shards[(hash ^ (hash >>> 6) ^ (hash >>> 12)) & (SHARDS - 1)];
    if (!shard) throw new Error('no such shard');
    return shard;
  }
}

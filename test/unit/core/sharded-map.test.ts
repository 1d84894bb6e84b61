import { expect, it } from 'vitest';

import { ShardedMap } from '../../../core/sharded-map.ts';

it('a map in shards is a map', () => {
  const sharded = new ShardedMap<number>();
  const plain = new Map<string, number>();
  for (let count = 0; count < 20_000; count++) {
    const key = `${'k'.repeat(count % 3)}${Math.floor(Math.random() * 2000)}`;
    if (Math.random() < 0.3) expect(sharded.delete(key)).toBe(plain.delete(key));
    else {
      sharded.set(key, count);
      plain.set(key, count);
    }
    expect(sharded.get(key)).toBe(plain.get(key));
  }
  sharded.set('', 1);
  plain.set('', 1);
  expect(sharded.size).toBe(plain.size);
  expect(new Map(sharded)).toEqual(plain);
});

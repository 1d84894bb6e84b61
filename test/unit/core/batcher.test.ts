import { describe, expect, it } from 'vitest';

import { Batcher, type BatcherOptions } from '#core';

import { manualClock } from '../../kit/action-context.ts';

interface Thing {
  readonly number: number;
  readonly priority: number;
}

function batcherOf(options: Partial<BatcherOptions<Thing>> = {}) {
  const clock = manualClock();
  const batches: number[][] = [];
  const batcher = new Batcher<Thing>({
    clock,
    priorityOf: ({ priority }) => priority,
    onBatch: (things) => batches.push(things.map(({ number }) => number)),
    ...options,
  });
  const add = (from: number, to: number, priority = 5): void => {
    for (let number = from; number <= to; number++) batcher.add({ number, priority });
  };
  return { clock, batches, batcher, add };
}

describe('things that gather', () => {
  it('L16: go on together when they are a hundred of one priority, and ninety-nine wait', () => {
    const { batches, batcher, add } = batcherOf();
    add(1, 99);
    expect(batches).toEqual([]);
    expect(batcher.waiting).toBe(99);
    add(100, 100);
    expect(batches).toEqual([Array.from({ length: 100 }, (_, index) => index + 1)]);
    expect(batcher.waiting).toBe(0);
  });

  it('L17: go on after a second, however few they are', () => {
    const { clock, batches, add } = batcherOf();
    add(1, 1);
    clock.advance(500);
    add(2, 2);
    clock.advance(499);
    expect(batches).toEqual([]);
    clock.advance(1);
    expect(batches).toEqual([[1, 2]]);
    add(3, 3);
    clock.advance(999);
    expect(batches).toHaveLength(1);
    clock.advance(1);
    expect(batches).toEqual([[1, 2], [3]]);
  });

  it('L18: go on at once when they are urgent, and by priorities of their own', () => {
    const { clock, batches, add } = batcherOf();
    add(1, 50, 5);
    add(51, 51, 1);
    add(52, 52, 2);
    add(53, 60, 3);
    expect(batches).toEqual([[51], [52]]);
    clock.advance(1000);
    expect(batches.slice(2).map((batch) => batch.length)).toEqual([50, 8]);
  });

  it('L19: all go on when they are told to, the most urgent first, and none twice', () => {
    const { clock, batches, batcher, add } = batcherOf();
    add(1, 3, 9);
    add(4, 5, 4);
    batcher.flush();
    expect(batches).toEqual([
      [4, 5],
      [1, 2, 3],
    ]);
    clock.advance(10_000);
    batcher.flush();
    expect(batches).toHaveLength(2);
  });

  it('weigh no more together than they may, unless one alone does', () => {
    const { clock, batches, add } = batcherOf({ maxWeight: 10, weightOf: ({ number }) => number });
    add(4, 6);
    add(20, 20);
    clock.advance(1000);
    expect(batches).toEqual([[4, 5], [6], [20]]);
  });

  it('do not go on when they were taken out, and their weight goes with them', () => {
    const { clock, batches, batcher } = batcherOf({ maxWeight: 10, weightOf: ({ number }) => number });
    const [eight, two, three] = [8, 2, 3].map((number) => ({ number, priority: 5 }));
    if (!eight || !two || !three) throw new Error('three things');
    batcher.add(eight);
    batcher.add(two);
    batcher.remove(eight);
    batcher.add(three);
    batcher.remove(eight);
    clock.advance(1000);
    expect(batches).toEqual([[2, 3]]);
    batcher.add(eight);
    batcher.remove(eight);
    batcher.remove(two);
    clock.advance(1000);
    expect([batches.length, batcher.waiting]).toEqual([1, 0]);
  });
});

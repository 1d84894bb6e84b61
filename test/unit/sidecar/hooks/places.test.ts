import { describe, expect, it } from 'vitest';

import { Places } from '../../../../sidecar/places.ts';
import { bench, DELIVERED, held, RETRY } from './kit.ts';

const going = new AbortController().signal;
const ONE = { of: 'one', count: 1 };

describe('places', () => {
  it('are taken in the order of asking, and given back once', async () => {
    const places = new Places();
    const order: string[] = [];
    const first = await places.enter('key', 1, going);
    const others = ['second', 'third'].map(async (name) => {
      const leave = await places.enter('key', 1, going);
      order.push(name);
      leave();
    });
    expect(order).toEqual([]);
    first();
    await Promise.all(others);
    expect(order).toEqual(['second', 'third']);
    (await places.enter('key', 1, going))();
  });

  it('are separate for each key', async () => {
    const places = new Places();
    await places.enter('a', 1, going);
    await places.enter('b', 1, going);
  });

  it('are not kept for who has left the line', async () => {
    const places = new Places();
    const leave = await places.enter('key', 1, going);
    const gone = new AbortController();
    const left = places.enter('key', 1, gone.signal).catch(String);
    const next = places.enter('key', 1, going);
    gone.abort(new Error('gone'));
    expect(await left).toContain('gone');
    leave();
    (await next)();
  });
});

describe('an attempt', () => {
  it('begins when it has its place: what only waited is not interrupted by a stop', async () => {
    await using test = await bench();
    const { handle } = held();
    await test.set.replace([test.runtime({ onInterrupt: 'giveUp' }, [handle], 'v1', ONE)], new Set(['trotline/h']));
    await test.event();
    await test.event();
    const [first, second] = test.journal.pending();
    expect([first?.open.length, second?.open.length]).toEqual([1, 0]);
    await test.set.stop();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'interrupted', eventId: first?.eventId }]);
    expect(test.journal.pending().map(({ eventId }) => eventId)).toEqual([second?.eventId]);
  });

  it('that never gets a place expires with its event', async () => {
    await using test = await bench();
    const { handle, ends } = held();
    await test.set.replace([test.runtime({ giveUpAfter: '1m' }, [handle], 'v1', ONE)], new Set(['trotline/h']));
    await test.event();
    await test.event();
    await test.clock.pass(60_001);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired', attempts: [] }]);
    ends[0]?.(DELIVERED);
    await test.settle();
    expect(ends).toHaveLength(1);
  });

  it('gives its place back between its tries', async () => {
    await using test = await bench();
    const { handle, ends } = held();
    await test.set.replace([test.runtime({}, [handle], 'v1', ONE)], new Set(['trotline/h']));
    await test.event();
    await test.event();
    expect(ends).toHaveLength(1);
    ends[0]?.(RETRY);
    await test.settle();
    expect(ends).toHaveLength(2);
    ends[1]?.(DELIVERED);
    await test.clock.pass(3000);
    expect(ends).toHaveLength(3);
    ends[2]?.(DELIVERED);
    await test.settle();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }, { outcome: 'delivered' }]);
  });
});

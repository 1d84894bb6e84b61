import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type AddressedAnswer, type ClaimOperation, ClaimTable, LEASE_MS } from '../../../core/claim.ts';

const WINDOW_MS = 600_000;

/** A table with a clock of its own and short words for the operations. */
function claims(table = new ClaimTable()) {
  let now = 1_000_000;
  let id = 0;
  const apply = (holder: string, operation: ClaimOperation): AddressedAnswer[] => table.apply(holder, operation, now);
  const own = (holder: string, operation: ClaimOperation) => apply(holder, operation)[0]!.answer;
  return {
    table,
    pass: (ms: number) => (now += ms),
    expire: () => table.expire(now),
    acquire: (holder: string, key = 'k') => own(holder, { kind: 'acquire', id: ++id, key }),
    complete: (holder: string, fence: number, key = 'k', windowMs = WINDOW_MS) =>
      apply(holder, { kind: 'complete', id: ++id, key, fence, windowMs }),
    release: (holder: string, fence: number, key = 'k') => apply(holder, { kind: 'release', id: ++id, key, fence }),
    renew: (holder: string, fence: number, key = 'k') => own(holder, { kind: 'renew', id: ++id, key, fence }),
    settle: (holder: string, windowMs: number, ageMs: number, key = 'k') =>
      apply(holder, { kind: 'settle', id: ++id, key, windowMs, ageMs }),
    cancel: (holder: string, acquireId: number, key = 'k') => own(holder, { kind: 'cancel', id: ++id, key, acquireId }),
  };
}

describe('a claim', () => {
  test('of a free key is granted with a lease', () => {
    expect(claims().acquire('a')).toMatchObject({ kind: 'granted', fence: 1, leaseMs: LEASE_MS });
  });

  test('of a key that another holds is held for what is left of the lease', () => {
    const { acquire, pass } = claims();
    acquire('a');
    pass(10_000);
    expect(acquire('b')).toMatchObject({ kind: 'held', leaseMs: LEASE_MS - 10_000 });
  });

  test('by its own holder is granted at once with a higher fence, and the old fence is refused', () => {
    const { acquire, renew } = claims();
    acquire('a');
    expect(acquire('a')).toMatchObject({ kind: 'granted', fence: 2 });
    expect(renew('a', 1)).toMatchObject({ kind: 'refused', fence: 1 });
    expect(renew('a', 2)).toMatchObject({ kind: 'accepted' });
  });

  test('of a key whose lease ran out is granted, and the late holder is refused', () => {
    const { acquire, pass, complete } = claims();
    acquire('a');
    pass(LEASE_MS);
    expect(acquire('b')).toMatchObject({ kind: 'granted', fence: 2 });
    expect(complete('a', 1)).toMatchObject([{ answer: { kind: 'refused' } }]);
  });

  test('inside a window is done for what is left of it', () => {
    const { acquire, complete, pass } = claims();
    acquire('a');
    complete('a', 1);
    pass(1_000);
    expect(acquire('b')).toMatchObject({ kind: 'done', remainingMs: WINDOW_MS - 1_000 });
    expect(acquire('a')).toMatchObject({ kind: 'done' });
    pass(WINDOW_MS);
    expect(acquire('b')).toMatchObject({ kind: 'granted', fence: 2 });
  });
});

describe('an operation under a fence', () => {
  test('is refused to whoever does not hold the key, and for a key nobody holds', () => {
    const { acquire, renew } = claims();
    acquire('a');
    expect(renew('b', 1)).toMatchObject({ kind: 'refused' });
    expect(renew('a', 1, 'other')).toMatchObject({ kind: 'refused' });
  });

  test('renews the lease', () => {
    const { acquire, renew, pass } = claims();
    acquire('a');
    pass(LEASE_MS - 1);
    expect(renew('a', 1)).toMatchObject({ kind: 'accepted' });
    pass(LEASE_MS - 1);
    expect(acquire('b')).toMatchObject({ kind: 'held', leaseMs: 1 });
  });

  test('is accepted from a holder whose lease ran out while nobody else claimed', () => {
    const { acquire, complete, pass } = claims();
    acquire('a');
    pass(LEASE_MS + 1);
    expect(complete('a', 1)).toMatchObject([{ answer: { kind: 'accepted' } }]);
    expect(acquire('b')).toMatchObject({ kind: 'done' });
  });

  test('is refused after its own completion while the window is open', () => {
    const { acquire, complete, renew } = claims();
    acquire('a');
    complete('a', 1);
    expect(renew('a', 1)).toMatchObject({ kind: 'refused' });
  });
});

describe('who waits', () => {
  test('is granted in the order of asking when the key is released', () => {
    const { acquire, release } = claims();
    acquire('a');
    const [second, third] = [acquire('b'), acquire('c')];
    expect(release('a', 1)).toMatchObject([
      { holder: 'a', answer: { kind: 'accepted' } },
      { holder: 'b', answer: { kind: 'granted', id: second.id, fence: 2 } },
    ]);
    expect(release('b', 2)[1]).toMatchObject({ holder: 'c', answer: { kind: 'granted', id: third.id, fence: 3 } });
  });

  test('is all told done when the key is completed', () => {
    const { acquire, complete } = claims();
    acquire('a');
    acquire('b');
    acquire('c');
    expect(complete('a', 1).slice(1)).toMatchObject([
      { holder: 'b', answer: { kind: 'done', remainingMs: WINDOW_MS } },
      { holder: 'c', answer: { kind: 'done', remainingMs: WINDOW_MS } },
    ]);
  });

  test('is granted when the lease runs out', () => {
    const { acquire, pass, expire } = claims();
    acquire('a');
    acquire('b');
    expect(expire()).toEqual([]);
    pass(LEASE_MS);
    expect(expire()).toMatchObject([{ holder: 'b', answer: { kind: 'granted', fence: 2 } }]);
  });

  test('is not answered after giving up or after its stream ended', () => {
    const { acquire, cancel, release, table } = claims();
    acquire('a');
    const waiting = acquire('b');
    acquire('c');
    acquire('d');
    expect(cancel('b', waiting.id)).toMatchObject({ kind: 'accepted' });
    table.forgetWaiters('c');
    expect(release('a', 1)[1]).toMatchObject({ holder: 'd', answer: { kind: 'granted' } });
    expect(cancel('x', 99, 'nobody waits here')).toMatchObject({ kind: 'accepted' });
  });
});

describe('an outcome reached without the store', () => {
  test('opens what is left of its window and tells who waits', () => {
    const { acquire, settle, pass } = claims();
    acquire('a');
    pass(LEASE_MS);
    expect(settle('b', WINDOW_MS, 100_000)).toMatchObject([{ holder: 'b', answer: { kind: 'accepted' } }]);
    expect(acquire('c')).toMatchObject({ kind: 'done', remainingMs: WINDOW_MS - 100_000 });
  });

  test('opens the window of a key nobody knew, under a fence of its own', () => {
    const { acquire, settle, table } = claims();
    settle('a', WINDOW_MS, 0);
    expect(table.lastFence).toBe(1);
    expect(acquire('b')).toMatchObject({ kind: 'done' });
  });

  test('tells who waits for a key whose lease just ran out', () => {
    const { acquire, settle, pass } = claims();
    acquire('a');
    acquire('b');
    pass(LEASE_MS);
    expect(settle('c', WINDOW_MS, 0)[1]).toMatchObject({ holder: 'b', answer: { kind: 'done' } });
  });

  test('while another holds the key opens its window when that one releases, and all who wait are told', () => {
    const { acquire, settle, release } = claims();
    acquire('a');
    acquire('b');
    expect(settle('c', WINDOW_MS, 0)).toMatchObject([{ holder: 'c', answer: { kind: 'accepted' } }]);
    expect(acquire('d')).toMatchObject({ kind: 'held' });
    const done = { kind: 'done', remainingMs: WINDOW_MS };
    expect(release('a', 1)).toMatchObject([
      { holder: 'a', answer: { kind: 'accepted' } },
      { holder: 'b', answer: done },
      { holder: 'd', answer: done },
    ]);
    expect(acquire('a')).toMatchObject(done);
  });

  test('while another holds the key opens its window when that lease runs out, looked at or not', () => {
    const { acquire, settle, pass, expire, table } = claims();
    for (const key of ['waited', 'asked']) acquire('a', key);
    acquire('b', 'waited');
    for (const key of ['waited', 'asked']) settle('c', WINDOW_MS, 0, key);
    pass(LEASE_MS);
    const done = { kind: 'done', remainingMs: WINDOW_MS - LEASE_MS };
    expect(acquire('b', 'asked')).toMatchObject(done);
    expect(expire()).toMatchObject([{ holder: 'b', answer: done }]);
    expect(acquire('c', 'waited')).toMatchObject(done);
    pass(WINDOW_MS);
    expire();
    expect(table.size).toBe(0);
  });

  test('while another holds the key is done for the holder who asks anew, and for who waits', () => {
    const { acquire, settle, table, renew } = claims();
    acquire('a');
    const waiting = acquire('b');
    settle('c', WINDOW_MS, 0);
    expect(renew('a', 1)).toMatchObject({ kind: 'accepted' });
    expect(table.apply('a', { kind: 'acquire', id: 9, key: 'k' }, 1_000_000)).toMatchObject([
      { holder: 'a', answer: { kind: 'done', id: 9, remainingMs: WINDOW_MS } },
      { holder: 'b', answer: { kind: 'done', id: waiting.id } },
    ]);
  });

  test('opens the later window of the two when the holder completes', () => {
    for (const [settled, completed] of [
      [WINDOW_MS, 1_000],
      [1_000, WINDOW_MS],
    ] as const) {
      const { acquire, settle, complete } = claims();
      acquire('a');
      settle('c', settled, 0);
      settle('c', settled, 500);
      complete('a', 1, 'k', completed);
      expect(acquire('b')).toMatchObject({ kind: 'done', remainingMs: WINDOW_MS });
    }
  });

  test('is forgotten when its window ended before the holder did', () => {
    const { acquire, settle, release, pass } = claims();
    acquire('a');
    acquire('b');
    settle('c', 1_000, 0);
    pass(1_000);
    expect(release('a', 1)[1]).toMatchObject({ holder: 'b', answer: { kind: 'granted' } });
  });

  test('changes nothing when its window is over or a longer one is open, and takes no lease away', () => {
    const { acquire, complete, settle, renew } = claims();
    settle('a', 1_000, 1_000);
    acquire('b');
    settle('a', WINDOW_MS, 0);
    expect(renew('b', 1)).toMatchObject({ kind: 'accepted' });
    complete('b', 1);
    settle('a', WINDOW_MS, 1);
    expect(acquire('c')).toMatchObject({ kind: 'done', remainingMs: WINDOW_MS });
  });
});

describe('the table', () => {
  test('says which rows changed, once, and null for a key that is free', () => {
    const { acquire, release, complete, table } = claims();
    acquire('a');
    acquire('a', 'other');
    expect(table.takeChanges()).toMatchObject([
      { key: 'k', row: { key: 'k', fence: 1, holder: 'a', windowUntil: 0 } },
      { key: 'other', row: { fence: 2 } },
    ]);
    release('a', 1);
    complete('a', 2, 'other');
    expect(table.takeChanges()).toMatchObject([
      { key: 'k', row: null },
      { key: 'other', row: { fence: 2, leaseUntil: 0 } },
    ]);
    expect(table.takeChanges()).toEqual([]);
  });

  test('built from its rows goes on where it was, with higher fences', () => {
    const { acquire, complete, table } = claims();
    acquire('a');
    acquire('a', 'done');
    complete('a', 2, 'done');
    const rows = table.takeChanges().flatMap(({ row }) => row ?? []);
    const again = claims(new ClaimTable(rows, 7));
    expect(again.acquire('b')).toMatchObject({ kind: 'held' });
    expect(again.acquire('b', 'done')).toMatchObject({ kind: 'done' });
    expect(again.acquire('a')).toMatchObject({ kind: 'granted', fence: 8 });
    expect(new ClaimTable(rows).lastFence).toBe(2);
  });

  test('built from its rows knows what was settled while a key is held', () => {
    const { acquire, settle, table } = claims();
    acquire('a');
    settle('c', WINDOW_MS, 0);
    const again = claims(new ClaimTable(table.takeChanges().flatMap(({ row }) => row ?? [])));
    again.release('a', 1);
    expect(again.acquire('b')).toMatchObject({ kind: 'done' });
  });

  test('forgets closed windows, and leases that ran out long ago', () => {
    const { acquire, complete, pass, expire, table } = claims();
    acquire('a');
    acquire('a', 'done');
    complete('a', 2, 'done', 1_000);
    pass(LEASE_MS);
    expire();
    expect(table.size).toBe(1);
    pass(600_000);
    expire();
    expect(table.size).toBe(0);
    expect(table.takeChanges().map(({ row }) => row)).toEqual([null, null]);
  });
});

test('never has two live leases, never repeats a fence, and opens windows on completion only', () => {
  const step = fc.record({
    holder: fc.constantFrom('a', 'b', 'c'),
    key: fc.constantFrom('k', 'l'),
    kind: fc.constantFrom('acquire', 'complete', 'release', 'renew', 'expire', 'leave'),
    waitMs: fc.constantFrom(0, 1, 15_000, LEASE_MS, 45_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new ClaimTable();
      /** As the holders see it: who may act on a key, until when. */
      const leases = new Map<string, { holder: string; fence: number; until: number }>();
      const fences = new Map<string, number>();
      const windows = new Map<string, number>();
      const keys = new Map<number, string>();
      let now = 1_000_000;
      let highest = 0;
      let id = 0;

      const see = (answers: AddressedAnswer[]): void => {
        for (const { holder, answer } of answers) {
          const key = keys.get(answer.id)!;
          if (answer.kind === 'done') expect(windows.get(key) ?? 0).toBeGreaterThan(now);
          if (answer.kind !== 'granted') continue;
          const other = leases.get(key);
          expect(other === undefined || other.until <= now || other.holder === holder).toBe(true);
          expect(windows.get(key) ?? 0).toBeLessThanOrEqual(now);
          expect(answer.fence).toBeGreaterThan(highest);
          highest = answer.fence;
          leases.set(key, { holder, fence: answer.fence, until: now + answer.leaseMs });
          fences.set(`${holder} ${key}`, answer.fence);
        }
      };

      for (const { holder, key, kind, waitMs } of steps) {
        now += waitMs;
        keys.set(++id, key);
        if (kind === 'expire') see(table.expire(now));
        else if (kind === 'leave') table.forgetWaiters(holder);
        else if (kind === 'acquire') see(table.apply(holder, { kind, id, key }, now));
        else {
          const fence = fences.get(`${holder} ${key}`) ?? 0;
          const operation = kind === 'complete' ? { kind, id, key, fence, windowMs: 20_000 } : { kind, id, key, fence };
          const [own, ...others] = table.apply(holder, operation, now);
          if (own!.answer.kind === 'accepted') {
            expect(leases.get(key)).toMatchObject({ holder, fence });
            leases.set(key, { holder, fence, until: kind === 'renew' ? now + LEASE_MS : 0 });
            if (kind === 'complete') windows.set(key, now + 20_000);
          }
          see(others);
        }
      }
    }),
    { numRuns: 500 },
  );
});

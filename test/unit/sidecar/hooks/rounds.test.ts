import { cp } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { attemptRecord, routed, startedJournal, temporaryFolder } from '../kit.ts';
import { bench, DELIVERED, grantOf, type Handle, held, REJECTED, results, RETRY } from './kit.ts';

const CLAIMED = { dedup: { key: ['node'], window: 600_000 } };

describe('an incident of many', () => {
  it.each([
    [DELIVERED, 600_000],
    [REJECTED, 60_000],
  ])('that is %j ends with the window of its claim', async (result, windowMs) => {
    await using test = await bench();
    test.groups.join = async () => ({
      limited: false,
      opened: 0,
      joinedAt: 0,
      affected: async () => ({ count: 2, members: ['a', 'b'] }),
      answered: async (ms) => void test.notes.push(`answered ${ms}`),
      leave: () => void test.notes.push('leave'),
    });
    await test.run({ dedup: { window: 600_000 }, group: { by: ['node'], wait: 0 } }, [results(result)]);
    await test.event();
    expect(test.notes).toEqual([`answered ${windowMs}`, `complete ${windowMs}`, 'leave']);
  });
});

describe('a failing action', () => {
  it('H14: is tried three times in a round, with pauses of 1 s and 2 s, ±50 %', async () => {
    await using test = await bench();
    const action = results(RETRY);
    await test.run({}, [action]);
    await test.event();
    expect(test.told).toHaveLength(1);
    expect(test.told[0]?.inMs).toBeGreaterThanOrEqual(500);
    expect(test.told[0]?.inMs).toBeLessThanOrEqual(1500);
    await test.clock.pass(1500);
    expect(test.told[1]?.inMs).toBeGreaterThanOrEqual(1000);
    expect(test.told[1]?.inMs).toBeLessThanOrEqual(3000);
    await test.clock.pass(3000);
    expect(action.ids).toHaveLength(3);
    expect(new Set(action.ids).size).toBe(1);
  });

  it('H9: is delivered once its receiver is back after three minutes, and then answers no duplicate', async () => {
    await using test = await bench();
    const backAt = test.clock.now() + 180_000;
    const handle: Handle = () => Promise.resolve(test.clock.now() < backAt ? RETRY : DELIVERED);
    let open = false;
    test.claims.claim = () =>
      Promise.resolve(
        open ? { kind: 'done' } : grantOf(test.notes, { complete: () => Promise.resolve((open = true)) }),
      );
    await test.run(CLAIMED, [handle]);
    await test.event();
    await test.clock.pass(179_000);
    expect(await test.outcomes()).toEqual([]);
    await test.clock.pass(400_000);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
    await test.event();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }, { outcome: 'deduplicated' }]);
  });

  it('H9: expires after fifteen minutes, and says why', async () => {
    await using test = await bench();
    await test.run(CLAIMED, [results(RETRY)]);
    await test.event();
    await test.clock.pass(899_000);
    expect(await test.outcomes()).toEqual([]);
    await test.clock.pass(2000);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired', reason: 'busy' }]);
  });

  it('rests 30 s, 60 s … up to 5 min between rounds, and expires after giveUpAfter', async () => {
    await using test = await bench();
    const action = results(RETRY);
    await test.run({ giveUpAfter: '1h' }, [action]);
    await test.event();
    await test.clock.pass(3_600_001);
    const pauses = test.told.filter(({ inMs }) => inMs > 4000).map(({ inMs }) => inMs);
    for (const [index, base] of [30_000, 60_000, 120_000, 240_000].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(base / 2);
      expect(pauses[index]).toBeLessThanOrEqual(Math.min(base * 1.5, 300_000));
    }
    expect(Math.max(...pauses)).toBeLessThanOrEqual(300_000);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired', reason: 'busy' }]);
  });

  it('waits as long as its receiver asks', async () => {
    await using test = await bench();
    const action = results(
      { status: 'retry', reason: 'busy', afterMs: 5000 },
      { status: 'retry', reason: 'busy', afterMs: 200_000 },
      DELIVERED,
    );
    await test.run({}, [action]);
    await test.event();
    await test.clock.pass(4999);
    expect(action.ids).toHaveLength(1);
    await test.clock.pass(1);
    expect(action.ids).toHaveLength(2);
    await test.clock.pass(199_999);
    expect(action.ids).toHaveLength(2);
    await test.clock.pass(1);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
  });

  it('expires at once when it was routed longer ago than giveUpAfter', async () => {
    await using test = await bench();
    const action = results(DELIVERED);
    await test.event();
    await test.clock.pass(900_001);
    await test.run({}, [action]);
    await test.settle();
    expect(action.ids).toHaveLength(0);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired' }]);
  });

  it('that throws is rejected', async () => {
    await using test = await bench();
    await test.run({}, [() => Promise.reject(new Error('defect'))]);
    await test.event();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'rejected', reason: 'defect' }]);
  });
});

describe('what an attempt remembers', () => {
  it('is known to the next one of the same action, and to no other', async () => {
    await using test = await bench();
    const known: (string | null)[] = [];
    const remembering: Handle = async (_event, { number, remembered, remember }) => {
      known.push(remembered);
      await remember(`task ${number}`);
      return number < 3 ? RETRY : DELIVERED;
    };
    const other: Handle = async (_event, { remembered }) => {
      known.push(remembered);
      return DELIVERED;
    };
    await test.run({}, [remembering, other]);
    await test.event();
    await test.clock.pass(5000);
    expect(known).toEqual([null, null, 'task 1', 'task 2']);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
  });

  it('is durable when it resolves, so that the process after a crash resumes with it', async () => {
    using folder = temporaryFolder();
    await using test = await bench({ folder: folder.path });
    const { handle } = held();
    const remembering: Handle = async (event, attempt) => {
      await attempt.remember('task 1');
      return handle(event, attempt);
    };
    await test.run({}, [remembering]);
    await test.event();
    using copy = temporaryFolder();
    await cp(folder.path, copy.path, { recursive: true });
    const after = await startedJournal(copy.path);
    expect(after.pending()).toMatchObject([{ open: [{ number: 1 }], remembered: [{ text: 'task 1' }] }]);
    await after.stop();
  });

  it('is bounded', async () => {
    await using test = await bench();
    await test.run({}, [(_event, { remember }) => remember('x'.repeat(1025)).then(() => DELIVERED)]);
    await test.event();
    const reason = '1025 characters to remember, at most 1024';
    expect(await test.outcomes()).toMatchObject([{ outcome: 'rejected', reason }]);
  });
});

describe('several actions', () => {
  it('start together; only those not delivered are repeated', async () => {
    await using test = await bench();
    const good = results(DELIVERED);
    const slow = results(RETRY, RETRY, RETRY, DELIVERED);
    await test.run(CLAIMED, [good, slow]);
    await test.event();
    expect([good.ids.length, slow.ids.length]).toEqual([1, 1]);
    expect(good.ids[0]).not.toBe(slow.ids[0]);
    await test.clock.pass(60_000);
    expect([good.ids.length, slow.ids.length]).toEqual([1, 4]);
    expect(test.notes).toEqual(['release', 'complete 600000']);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
  });

  it.each([
    ['delivered and rejected', [DELIVERED, REJECTED], 'rejected', 'complete 600000'],
    ['rejected', [REJECTED, REJECTED], 'rejected', 'complete 60000'],
    ['delivered and expired', [DELIVERED, RETRY], 'expired', 'complete 600000'],
    ['rejected and expired', [REJECTED, RETRY], 'rejected', 'complete 60000'],
  ])('that end %s give the worst outcome, and the window of the best', async (_, ends, outcome, last) => {
    await using test = await bench();
    await test.run(
      CLAIMED,
      ends.map((end) => results(end)),
    );
    await test.event();
    await test.clock.pass(900_001);
    expect(await test.outcomes()).toMatchObject([{ outcome }]);
    expect(test.notes.at(-1)).toBe(last);
  });

  it('of which none was delivered or rejected open no window', async () => {
    await using test = await bench();
    await test.run(CLAIMED, [results(RETRY)]);
    await test.event();
    await test.clock.pass(900_001);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired' }]);
    expect(new Set(test.notes)).toEqual(new Set(['release']));
  });
});

describe('an attempt that was cut short', () => {
  /** A journal whose process died in the first attempt. */
  async function crashed(folder: string): Promise<void> {
    const journal = await startedJournal(folder);
    const [entry] = routed(journal, 1);
    await journal.started(entry!, { action: 0, actionType: 'script', number: 1, deliveryId: 'd', startedMs: 1 });
    await journal.stop();
  }

  it('by a crash is repeated with a raised number', async () => {
    using folder = temporaryFolder();
    await crashed(folder.path);
    await using test = await bench({ folder: folder.path });
    await test.run({}, [results(DELIVERED)]);
    await test.set.runAll(test.journal.pending());
    await test.settle();
    expect(await test.attempts()).toEqual(['0#1 interrupted', '0#2 delivered']);
  });

  it('by a crash after it was delivered is delivered, also when the hook was disabled since', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    await journal.result(entry!, attemptRecord({ status: 'delivered', reason: '' }));
    await journal.stop();
    await using test = await bench({ folder: folder.path });
    await test.run({ ...CLAIMED, enabled: false }, [results(DELIVERED)]);
    await test.set.runAll(test.journal.pending());
    await test.settle();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
    expect(test.notes).toEqual(['complete 600000']);
  });

  it('by a crash ends the event when the hook gives up then', async () => {
    using folder = temporaryFolder();
    await crashed(folder.path);
    await using test = await bench({ folder: folder.path });
    const action = results(DELIVERED);
    await test.run({ onInterrupt: 'giveUp' }, [action]);
    await test.set.runAll(test.journal.pending());
    await test.settle();
    expect(action.ids).toHaveLength(0);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'interrupted' }]);
  });

  it('by a lost lease is interrupted at once and comes again under a new claim', async () => {
    await using test = await bench();
    const lost = new AbortController();
    const grants = [grantOf(test.notes, { lost: lost.signal }), grantOf(test.notes)];
    test.claims.claim = () => Promise.resolve(grants.shift()!);
    const { handle, ends } = held();
    await test.run(CLAIMED, [handle]);
    await test.event();
    lost.abort(new Error('the lease was refused'));
    await test.settle();
    expect(test.told.at(-1)?.waitsFor).toBe('the lease was refused');
    await test.clock.pass(45_000);
    ends[1]?.(DELIVERED);
    await test.settle();
    expect(await test.attempts()).toEqual(['0#1 interrupted', '0#2 delivered']);
  });

  it('after which everything was delivered already only opens the window', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    await journal.result(entry!, attemptRecord({ status: 'delivered', reason: '' }));
    await journal.stop();
    await using test = await bench({ folder: folder.path });
    await test.clock.pass(2_000_000);
    const action = results(DELIVERED);
    await test.run(CLAIMED, [action]);
    await test.set.runAll(test.journal.pending());
    await test.settle();
    expect(action.ids).toHaveLength(0);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
    expect(test.notes).toEqual(['complete 600000']);
  });
});

describe('a claim', () => {
  it('that is done deduplicates the event', async () => {
    await using test = await bench();
    test.claims.claim = () => Promise.resolve({ kind: 'done' });
    await test.run(CLAIMED, [results(DELIVERED)]);
    await test.event();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'deduplicated', attempts: [] }]);
  });

  it('without the control plane marks the outcome, as does a window that it did not take', async () => {
    await using test = await bench();
    const grants = [
      grantOf(test.notes, { uncoordinated: true }),
      grantOf(test.notes, { complete: () => Promise.resolve(false) }),
    ];
    test.claims.claim = () => Promise.resolve(grants.shift()!);
    await test.run(CLAIMED, [results(DELIVERED)]);
    await test.event();
    await test.event();
    expect(await test.outcomes()).toMatchObject([{ uncoordinated: true }, { uncoordinated: true }]);
  });

  it('that is never granted lets the event expire', async () => {
    await using test = await bench();
    test.claims.claim = ((_hook: unknown, _event: unknown, signal: AbortSignal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))) as never;
    await test.run(CLAIMED, [results(DELIVERED)]);
    await test.event();
    await test.clock.pass(900_001);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'expired', reason: 'waited for its key' }]);
  });
});

import { describe, expect, it } from 'vitest';

import { routed } from '../kit.ts';
import { bench, DELIVERED, held, results, RETRY } from './kit.ts';

describe('a hook', () => {
  it('with run: sync keeps its order while a round runs, not between rounds', async () => {
    await using test = await bench();
    const seen: string[] = [];
    await test.run({ run: 'sync' }, [
      (event, { number }) => {
        seen.push(`${event.subject}#${number}`);
        return Promise.resolve(event.subject === 's1' && number < 4 ? RETRY : DELIVERED);
      },
    ]);
    await test.event();
    await test.event();
    expect(seen).toEqual(['s1#1']);
    await test.clock.pass(5000);
    expect(seen).toEqual(['s1#1', 's1#2', 's1#3', 's2#1']);
    await test.clock.pass(60_000);
    expect(seen.at(-1)).toBe('s1#4');
  });

  it('waits for its limit, then expires', async () => {
    await using test = await bench();
    const action = results(DELIVERED);
    await test.run({ limit: { count: 2, per: '10m' }, giveUpAfter: '5m' }, [action]);
    for (let count = 0; count < 3; count++) await test.event();
    expect(action.ids).toHaveLength(2);
    await test.clock.pass(300_001);
    expect(action.ids).toHaveLength(2);
    expect((await test.outcomes()).at(-1)).toMatchObject({ outcome: 'expired', reason: 'waited for its limit' });
    await test.clock.pass(300_000);
    await test.event();
    expect(action.ids).toHaveLength(3);
  });

  it('does not use up its limit for what was answered already', async () => {
    await using test = await bench();
    test.claims.claim = () => Promise.resolve({ kind: 'done' });
    await test.run({ limit: { count: 1, per: '10m' }, dedup: { key: ['node'] } }, [results(DELIVERED)]);
    for (let count = 0; count < 3; count++) await test.event();
    expect(await test.outcomes()).toHaveLength(3);
  });

  it('with mode: audit never acts', async () => {
    await using test = await bench();
    const action = results(DELIVERED);
    await test.run({ mode: 'audit' }, [action]);
    await test.event();
    expect(action.ids).toHaveLength(0);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'audited' }]);
  });

  it('that was disabled drops what still waits', async () => {
    await using test = await bench();
    const action = results(RETRY);
    await test.run({}, [action]);
    await test.event();
    await test.run({ enabled: false }, [action], 'v2');
    await test.settle();
    expect(action.ids).toHaveLength(1);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'dropped', reason: 'hook-disabled' }]);
  });

  it('that was removed drops what waits and what its rounds leave, with their attempts', async () => {
    await using test = await bench();
    await test.run({}, [results(RETRY)]);
    await test.event();
    await test.set.replace([], new Set());
    await test.settle();
    expect(await test.outcomes()).toMatchObject([
      { outcome: 'dropped', reason: 'hook-removed', attempts: [{ status: 'retry' }] },
    ]);
    expect(test.stopped).toEqual(['v1']);
  });

  it('that was removed lets its rounds under way end', async () => {
    await using test = await bench();
    const { handle, ends } = held();
    await test.run({}, [handle]);
    await test.event();
    await test.set.replace([], new Set());
    await test.settle();
    expect(test.stopped).toEqual([]);
    ends[0]?.(DELIVERED);
    await test.settle();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered' }]);
    expect(test.stopped).toEqual(['v1']);
  });

  it('that is changed goes on with the new version; the old one stops when its rounds have ended', async () => {
    await using test = await bench();
    const { handle, ends } = held();
    const next = results(DELIVERED);
    await test.run({}, [handle]);
    await test.event();
    await test.run({ giveUpAfter: '1h' }, [next], 'v2');
    await test.event();
    expect(next.ids).toHaveLength(1);
    expect(test.stopped).toEqual([]);
    ends[0]?.(DELIVERED);
    await test.settle();
    expect(test.stopped).toEqual(['v1']);
  });

  it('that is changed tries what waits for a retry with the new version at once', async () => {
    await using test = await bench();
    const next = results(DELIVERED);
    await test.run({}, [results(RETRY)]);
    await test.event();
    await test.run({ giveUpAfter: '1h' }, [next], 'v2');
    await test.settle();
    expect(next.ids).toHaveLength(1);
    expect(await test.outcomes()).toMatchObject([{ outcome: 'delivered', attempts: [{ status: 'retry' }, {}] }]);
  });

  it('keeps counting its limit when something else of it changes', async () => {
    await using test = await bench();
    const action = results(DELIVERED);
    const limit = { count: 1, per: '1m' };
    await test.run({ limit }, [action]);
    await test.event();
    await test.run({ limit, giveUpAfter: '1h' }, [action], 'v2');
    await test.event();
    expect(action.ids).toHaveLength(1);
    await test.clock.pass(60_000);
    expect(action.ids).toHaveLength(2);
  });

  it('that a former process knew waits for its hooks; the control plane alone says that there is none', async () => {
    await using test = await bench();
    await test.event();
    await test.set.replace([], null);
    await test.settle();
    expect(await test.outcomes()).toEqual([]);
    await test.set.replace([], new Set(['trotline/h']));
    expect(await test.outcomes()).toEqual([]);
    await test.set.replace([], new Set());
    expect(await test.outcomes()).toMatchObject([{ outcome: 'dropped', reason: 'hook-removed' }]);
  });
});

describe('the drain', () => {
  it('ends waits at once and gives attempts until its deadline', async () => {
    await using test = await bench();
    const { handle, ends } = held();
    await test.run({}, [handle]);
    await test.event();
    await test.event();
    const deadline = new AbortController();
    let drained = false;
    const drain = test.set.drain(deadline.signal).then(() => (drained = true));
    ends[0]?.(DELIVERED);
    await test.settle();
    expect(await test.outcomes()).toHaveLength(1);
    expect(drained).toBe(false);
    deadline.abort();
    await drain;
    const [left] = test.journal.pending();
    expect(left?.attempts).toMatchObject([{ status: 'interrupted' }]);
  });

  it('leaves what waits for a retry in the journal', async () => {
    await using test = await bench();
    await test.run({}, [results(RETRY)]);
    await test.event();
    await test.set.drain(new AbortController().signal);
    expect(await test.outcomes()).toEqual([]);
    expect(test.journal.pending()).toHaveLength(1);
  });

  it('is dropped when its hook was removed while it was on its way into the journal', async () => {
    await using test = await bench();
    await test.run({}, [results(DELIVERED)]);
    const [entry] = routed(test.journal, 1);
    await test.set.replace([], new Set());
    test.set.run(entry!);
    await test.settle();
    expect(await test.outcomes()).toMatchObject([{ outcome: 'dropped', reason: 'hook-removed' }]);
  });
});

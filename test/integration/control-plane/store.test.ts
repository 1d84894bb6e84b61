import { stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, test } from 'vitest';

import type { AddressedAnswer, Ledger } from '#core';

import type { EventSummary, Store } from '../../../control-plane/store/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { answersOf, claim } from './kit/claims.ts';
import { attempt, batch, event, HOOK, outcome, outcomes } from './kit/reports.ts';
import { acquire, useStores } from './kit/store.ts';

const { path, start } = useStores();

async function restart(store: Store): Promise<Store> {
  await store.stop?.();
  return start();
}

const complete = (holder: string, key: string, fence: number) => ({
  holder,
  operation: { kind: 'complete', id: 2, key, fence, windowMs: 600_000 } as const,
});
const release = (holder: string, key: string, fence: number) => ({
  holder,
  operation: { kind: 'release', id: 3, key, fence } as const,
});

describe('claims', () => {
  test('are answered in order, with the answers of those who waited', async () => {
    const store = await start();
    expect(await claim(store, [acquire('a', 'k'), acquire('b', 'k')])).toMatchObject([
      { holder: 'a', answer: { kind: 'granted', fence: 1 } },
      { holder: 'b', answer: { kind: 'held' } },
    ]);
    expect(await claim(store, [complete('a', 'k', 1)])).toMatchObject([
      { holder: 'a', answer: { kind: 'accepted' } },
      { holder: 'b', answer: { kind: 'done' } },
    ]);
  });

  test('outlive the process, and fences grow on even when every key was released', async () => {
    const store = await start();
    await claim(store, [acquire('a', 'held'), acquire('a', 'done'), complete('a', 'done', 2)]);
    await claim(store, [acquire('a', 'free'), release('a', 'free', 3)]);
    const again = await restart(store);
    expect(await claim(again, [acquire('b', 'held'), acquire('b', 'done'), acquire('b', 'free')])).toMatchObject([
      { answer: { kind: 'held' } },
      { answer: { kind: 'done' } },
      { answer: { kind: 'granted', fence: 4 } },
    ]);
    expect(await claim(again, [acquire('a', 'held')])).toMatchObject([{ answer: { kind: 'granted', fence: 5 } }]);
  });

  test('remember over a restart what was settled while another holds the key', async () => {
    const store = await start();
    const settle = { kind: 'settle', id: 5, key: 'k', windowMs: 600_000, ageMs: 0 } as const;
    await claim(store, [acquire('a', 'k'), { holder: 'b', operation: settle }]);
    const again = await restart(store);
    await claim(again, [release('a', 'k', 1)]);
    expect(await claim(again, [acquire('c', 'k')])).toMatchObject([{ answer: { kind: 'done' } }]);
  });

  test('leave one row a key', async () => {
    const store = await start();
    for (let count = 0; count < 3; count++) await claim(store, [acquire('a', 'k')]);
    await store.stop?.();
    using database = new DatabaseSync(path());
    expect(database.prepare('SELECT key, fence FROM claims').all()).toMatchObject([{ key: 'k', fence: 3 }]);
  });

  test('whose lease ran out go to who waits, unasked', async () => {
    let store = await start();
    let answers: AddressedAnswer[] = [];
    // A loaded machine starts a store in more than three seconds: then the lease must be longer.
    for (const leaseMs of [3_000, 12_000]) {
      const key = `k${leaseMs}`;
      await claim(store, [acquire('a', key)]);
      await store.stop?.();
      using database = new DatabaseSync(path());
      database.exec(`UPDATE claims SET lease_until = ${Date.now() + leaseMs}`);
      database.close();
      store = await start();
      answers = [];
      store.onClaimAnswers((some) => answers.push(...some.flatMap(answersOf)));
      const [asked] = await claim(store, [acquire('b', key)]);
      if (asked?.answer.kind !== 'held') continue;
      await eventually(() => answers.length > 0, { timeoutMs: leaseMs + 5_000 });
      break;
    }
    expect(answers).toMatchObject([{ holder: 'b', answer: { kind: 'granted', fence: expect.any(Number) } }]);
  });

  test('are not kept for a holder whose waiters were forgotten', async () => {
    const store = await start();
    await claim(store, [acquire('a', 'k'), acquire('b', 'k')]);
    await store.forgetWaiters('b');
    expect(await claim(store, [release('a', 'k', 1)])).toMatchObject([{ holder: 'a' }]);
  });
});

test('claims of a commit that failed are as if never asked, waiters are told to ask again', async () => {
  const store = await start();
  let resets = 0;
  store.onClaimsReset(() => (resets += 1));
  await claim(store, [acquire('a', 'k'), acquire('b', 'k')]);
  using database = new DatabaseSync(path());
  database.exec("CREATE TRIGGER broken BEFORE INSERT ON claims BEGIN SELECT raise(ABORT, 'broken'); END");
  await expect(claim(store, [complete('a', 'k', 1)])).rejects.toMatchObject({ code: 'STORE_FAILED' });
  expect(resets).toBe(1);
  database.exec('DROP TRIGGER broken');
  expect(await claim(store, [complete('a', 'k', 1)])).toMatchObject([{ holder: 'a', answer: { kind: 'accepted' } }]);
  expect(await claim(store, [acquire('b', 'k')])).toMatchObject([{ answer: { kind: 'done' } }]);
});

describe('reports', () => {
  test('are stored once, however often they are sent', async () => {
    const store = await start();
    expect(await store.resumeReports('s', 'node-1', 0)).toBe(0);
    expect(await store.report('s', 'node-1', outcomes(1, 3))).toBe(3);
    expect(await store.report('s', 'node-1', outcomes(1, 3))).toBe(3);
    expect(await store.report('s', 'node-1', outcomes(2, 5))).toBe(5);
    expect(await store.resumeReports('s', 'node-1', 0)).toBe(5);
    expect(await store.events({})).toHaveLength(5);
    expect((await store.ledger())[0]?.stored).toEqual({ [HOOK]: { delivered: 5 } });
  });

  test('with a hole are refused with what was expected, and nothing of them is stored', async () => {
    const store = await start();
    await store.report('s', 'node-1', outcomes(1, 2));
    const hole = store.report('s', 'node-1', outcomes(4, 5));
    await expect(hole).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
      message: expect.stringContaining('expected 3, got 4'),
    });
    expect(await store.resumeReports('s', 'node-1', 0)).toBe(2);
    expect(await store.events({})).toHaveLength(2);
  });

  test('that name an event nobody sent are refused alone: others of the same commit are stored', async () => {
    const store = await start();
    const bad = store.report('bad', 'node-1', batch({ outcomes: [outcome(1)] }));
    const good = store.report(
      'good',
      'node-1',
      batch({ events: [event(2)], outcomes: [outcome(1, { eventId: event(2).id })] }),
    );
    await expect(bad).rejects.toMatchObject({ code: 'MESSAGE_INVALID' });
    expect(await good).toBe(1);
    expect(await store.resumeReports('bad', 'node-1', 0)).toBe(0);
  });

  test('keep events and outcomes as they were told', async () => {
    const store = await start();
    const told = event(1, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
    const said = outcome(1, { outcome: 'dropped', reason: 'journal-full', uncoordinated: true });
    await store.report('s', 'node-1', batch({ events: [told], outcomes: [said] }));
    const { sequence: _, eventId: __, ...hook } = said;
    expect(await store.event(told.id)).toMatchObject({ id: told.id, event: told, hooks: [hook] });
    expect((await store.ledger())[0]?.stored).toEqual({ [HOOK]: { 'dropped(journal-full)': 1 } });
  });

  test('keep the newest ledger of each sidecar', async () => {
    const store = await start();
    const source = {
      source: 'netlink',
      life: 'l',
      heard: 3,
      unmatched: 1,
      routed: 1,
      lost: { overflow: 1 },
      unknown: null,
    };
    const ledger: Ledger = { sources: [source], hooks: [], outcomeSequence: 7, health: [] };
    await store.report('s', 'node-1', batch({ ledger }));
    await store.report('s', 'node-1', outcomes(1, 1));
    expect(await store.ledger()).toMatchObject([{ sidecarId: 's', node: 'node-1', ledger, storedSequence: 1 }]);
  });
});

describe('events', () => {
  test('are listed newest first, by every filter', async () => {
    const store = await start();
    const events = [event(1), event(2, { type: 'kubernetes.oom-kill', node: 'node-2' }), event(3)];
    const said = [outcome(1), outcome(2, { hook: 'trotline/oom', outcome: 'rejected' }), outcome(3)];
    await store.report('s', 'node-1', batch({ events, outcomes: said }));
    const ids = async (query: Parameters<Store['events']>[0]) => (await store.events(query)).map(({ id }) => id.at(-1));
    expect(await ids({})).toEqual(['3', '2', '1']);
    expect(await ids({ limit: 2 })).toEqual(['3', '2']);
    expect(await ids({ type: 'kubernetes.oom-kill' })).toEqual(['2']);
    expect(await ids({ source: 'netlink', limit: 1 })).toEqual(['3']);
    expect(await ids({ source: 'kubernetes' })).toEqual(['2']);
    expect(await ids({ source: 'kube' })).toEqual([]);
    expect(await ids({ node: 'node-2' })).toEqual(['2']);
    expect(await ids({ hook: HOOK })).toEqual(['3', '1']);
    expect(await ids({ outcome: 'rejected' })).toEqual(['2']);
    expect(await ids({ hook: HOOK, outcome: 'rejected' })).toEqual([]);
    expect(await ids({ sinceMs: event(2).time, untilMs: event(3).time })).toEqual(['2']);
  });

  test('have the beginning of each text in lists and tails, all of it one by one', async () => {
    const store = await start();
    const long = `said\n${'x'.repeat(65_536)}`;
    const said = { reason: long, attempts: [attempt({ reason: long, detail: long, output: long })] };
    const told = Promise.withResolvers<EventSummary>();
    store.subscribe(told.resolve);
    await store.report('s', 'node-1', batch({ events: [event(1)], outcomes: [outcome(1, said)] }));
    const brief = `${long.slice(0, 200)}…`;
    const hooks = [{ reason: brief, attempts: [{ reason: brief, detail: brief, output: brief }] }];
    expect(await store.events({})).toMatchObject([{ hooks }]);
    expect(await told.promise).toMatchObject({ hooks });
    expect(await store.event(event(1).id)).toMatchObject({ hooks: [said] });
  });

  test('are listed as far as an answer of bounded size goes', async () => {
    const store = await start();
    const attempts = Array.from({ length: 400 }, (_, number) => attempt({ number, output: 'x'.repeat(200) }));
    const events = Array.from({ length: 150 }, (_, index) => event(index + 1));
    await store.report(
      's',
      'node-1',
      batch({ events, outcomes: events.map((_, index) => outcome(index + 1, { attempts })) }),
    );
    const listed = await store.events({ limit: 10_000 });
    expect(listed[0]?.id).toBe(event(150).id);
    expect(listed.length).toBeGreaterThan(50);
    expect(JSON.stringify(listed).length).toBeLessThan(17 * 2 ** 20);
  });

  test('are found by a start of the id that only one has', async () => {
    const store = await start();
    await store.report(
      's',
      'node-1',
      batch({ events: [event(1), event(23)], outcomes: [outcome(1), outcome(2, { eventId: event(23).id })] }),
    );
    expect(await store.event('netlink-life-2')).toMatchObject({ id: 'netlink-life-23' });
    expect(await store.event('netlink-life')).toBeNull();
    expect(await store.event('nothing')).toBeNull();
  });

  test('show pending hooks until their outcome, also to filters', async () => {
    const store = await start();
    const progress = [
      {
        eventId: event(1).id,
        hook: HOOK,
        attempts: [attempt({ status: 'retry' })],
        waitsFor: 'retry 2',
        nextAttemptMs: 5,
      },
    ];
    await store.report('s', 'node-1', batch({ events: [event(1)], progress }));
    const pending = [
      { id: event(1).id, hooks: [{ hook: HOOK, outcome: 'pending', waitsFor: 'retry 2', nextAttemptMs: 5 }] },
    ];
    expect(await store.events({})).toMatchObject(pending);
    expect(await store.events({ outcome: 'pending', hook: HOOK })).toMatchObject(pending);
    expect(await store.events({ outcome: 'delivered' })).toEqual([]);
    await store.report('s', 'node-1', outcomes(1, 1));
    expect(await store.events({})).toMatchObject([{ hooks: [{ outcome: 'delivered' }] }]);
    expect(await store.events({ outcome: 'pending' })).toEqual([]);
  });

  test('are told to subscribers once stored, until they leave', async () => {
    const store = await start();
    const heard: EventSummary[] = [];
    const leave = store.subscribe((summary) => heard.push(summary));
    await store.report('s', 'node-1', outcomes(1, 2));
    await eventually(() => heard.length === 2);
    expect(heard[0]).toMatchObject({ id: event(1).id, hooks: [{ outcome: 'delivered' }] });
    leave();
    await store.report('s', 'node-1', outcomes(3, 3));
    await store.events({});
    expect(heard).toHaveLength(2);
  });
});

test('statistics count every attempt by hook and node', async () => {
  const store = await start();
  const attempts = [
    attempt({ durationMs: 30, status: 'retry' }),
    attempt({ durationMs: 10, status: 'rejected', timedOut: true }),
    attempt({ durationMs: 20 }),
  ];
  await store.report('s', 'node-1', batch({ events: [event(1)], outcomes: [outcome(1, { attempts })] }));
  const silent = outcome(2, { attempts: [], outcome: 'deduplicated' });
  await store.report('s', 'node-1', batch({ events: [event(2)], outcomes: [silent] }));
  const totals = {
    executions: 3,
    successes: 1,
    failures: 1,
    timeouts: 1,
    minMs: 10,
    avgMs: 20,
    maxMs: 30,
    totalMs: 60,
    p50Ms: 20,
    p95Ms: 30,
    p99Ms: 30,
    lastAtMs: expect.any(Number),
  };
  expect(await store.stats()).toEqual([{ hook: HOOK, node: 'node-1', ...totals }]);
});

test('percentiles are of the newest 256 attempts whose end was seen, and survive a restart', async () => {
  const store = await start();
  const report = (sequence: number, durations: readonly number[]) =>
    store.report(
      's',
      'node-1',
      batch({
        events: [event(sequence)],
        outcomes: [outcome(sequence, { attempts: durations.map((durationMs) => attempt({ durationMs })) })],
      }),
    );
  await report(1, Array(200).fill(5000));
  expect(await store.stats()).toMatchObject([{ p50Ms: 5000, p99Ms: 5000 }]);
  for (let sequence = 2; sequence < 258; sequence++) await report(sequence, [sequence - 1.877]);
  const cut = attempt({ status: 'interrupted', durationMs: 0 });
  await store.report('s', 'node-1', batch({ events: [event(258)], outcomes: [outcome(258, { attempts: [cut] })] }));
  const seen = {
    executions: 457,
    failures: 1,
    minMs: 0.123,
    maxMs: 5000,
    p50Ms: 127.123,
    p95Ms: 243.123,
    p99Ms: 253.123,
  };
  const [stats] = await store.stats();
  expect(stats).toMatchObject(seen);
  // What nobody saw the end of has no part in the average.
  expect(stats?.avgMs).toBeCloseTo((stats?.totalMs ?? 0) / 456, 6);
  await store.stop?.();
  expect(await (await start()).stats()).toEqual([stats]);
});

test('N45: reset statistics: what is forgotten is returned and on the record, and counting begins anew', async () => {
  const store = await start();
  const of = (sequence: number, hook: string) =>
    store.report('s', 'node-1', batch({ events: [event(sequence)], outcomes: [outcome(sequence, { hook })] }));
  await of(1, HOOK);
  await of(2, 'trotline/other');
  expect(await store.resetStats(HOOK, 'ann')).toMatchObject([{ hook: HOOK, executions: 1 }]);
  expect(await store.resetStats('trotline/none', 'ann')).toEqual([]);
  expect(await store.stats()).toMatchObject([{ hook: 'trotline/other' }]);
  await of(3, HOOK);
  expect(await store.stats()).toMatchObject([{ hook: 'trotline/other' }, { hook: HOOK, executions: 1 }]);
  expect(await store.resetStats(null, 'bob')).toHaveLength(2);
  expect(await store.stats()).toEqual([]);
  expect(await store.audit(10)).toMatchObject([
    { who: 'bob', act: 'reset-stats', subject: 'all hooks', detail: 'executions: 2' },
    { who: 'ann', act: 'reset-stats', subject: 'trotline/none', detail: 'executions: 0' },
    { who: 'ann', act: 'reset-stats', subject: HOOK, detail: 'executions: 1' },
  ]);
  // The counts of the ledger are not statistics.
  expect(await store.ledger()).toMatchObject([{ stored: { [HOOK]: { delivered: 2 } } }]);
});

test('overrides are kept and every change of one is on the record, which nothing alters', async () => {
  const store = await start();
  await store.setOverride(HOOK, false, 'ann');
  expect(await store.overrides()).toMatchObject([{ hook: HOOK, enabled: false, who: 'ann' }]);
  await store.setOverride(HOOK, null, 'bob');
  expect(await store.overrides()).toEqual([]);
  expect(await store.audit(10)).toMatchObject([
    { id: 2, who: 'bob', subject: HOOK, detail: 'removed' },
    { id: 1, who: 'ann', subject: HOOK, detail: 'enabled: false' },
  ]);
  expect(await store.audit(1)).toHaveLength(1);
  await store.stop?.();
  using database = new DatabaseSync(path());
  expect(() => database.exec('DELETE FROM audit')).toThrow('append-only');
  expect(() => database.exec("UPDATE audit SET who = 'eve'")).toThrow('append-only');
});

describe('retention', () => {
  test('deletes what is too old and changes neither statistics nor counts', async () => {
    const store = await start({ maxAgeMs: 1, everyMs: 20 });
    await store.report('s', 'node-1', outcomes(1, 500));
    await eventually(async () => (await store.events({})).length === 0);
    expect(await store.stats()).toMatchObject([{ executions: 500 }]);
    expect(await store.ledger()).toMatchObject([{ storedSequence: 500, stored: { [HOOK]: { delivered: 500 } } }]);
  });

  test('keeps the file in bounds, dropping the oldest first', async () => {
    const store = await start({ maxBytes: 400_000, everyMs: 20 });
    for (let from = 1; from < 4_000; from += 500) await store.report('s', 'node-1', outcomes(from, from + 499));
    await eventually(async () => (await store.events({ limit: 10_000 })).length < 1_000);
    const left = await store.events({ limit: 10_000 });
    expect(left.length).toBeGreaterThan(100);
    expect(left[0]?.id).toBe(event(4_000).id);
    await store.stop?.();
    expect((await stat(path())).size).toBeLessThan(4_000_000);
  });
});

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { FORMAT, HEADER_BYTES, writeFrame } from '../../../../sidecar/journal/frames.ts';
import type { Journal } from '../../../../sidecar/journal/journal.ts';
import { eventOf } from '../../../kit/action-context.ts';
import { eventually } from '../../../kit/eventually.ts';
import { attemptRecord, journalIn, outcomeOf, routed, startedJournal, temporaryFolder } from '../kit.ts';

/** What must balance in any journal, and what is told of it. */
function account(journal: Journal) {
  for (const { routed, pending, outcomes } of journal.hookLedgers()) {
    expect(routed).toBe(pending + Object.values(outcomes).reduce((sum, count) => sum + count, 0));
  }
  const sequences = journal.unreported(0, 1_000_000).map(({ sequence }) => sequence);
  expect(sequences).toEqual(
    Array.from(
      { length: journal.lastSequence - journal.ackedSequence },
      (_, index) => journal.ackedSequence + 1 + index,
    ),
  );
  return {
    pending: journal.pending().map(({ n, attempts, open }) => [n, attempts.length, open.length]),
    last: journal.lastSequence,
    acked: journal.ackedSequence,
    windows: [...journal.claims.keys()],
    ledgers: journal.hookLedgers(),
  };
}

const OPEN = { action: 0, actionType: 'script', number: 1, deliveryId: 'd', startedMs: 1 };

/** A small life with a bit of everything; `seen` gets the account after each record. */
async function smallLife(journal: Journal, seen: () => void): Promise<void> {
  const step = async (work: unknown): Promise<void> => {
    await work;
    await journal.flush();
    seen();
  };
  const [a, b] = routed(journal, 1, ['trotline/h', 'trotline/i']);
  await step(null);
  await step(journal.started(a!, OPEN));
  await step(journal.remember(a!, { action: 0, actionType: 'script', text: 'x' }));
  await step(journal.result(a!, attemptRecord()));
  await step(journal.started(a!, { ...OPEN, number: 2 }));
  await step(journal.finish(a!, outcomeOf(a!)));
  await step(journal.claim('k', { key: 'k', fence: 1, holder: '', leaseUntil: 0, windowUntil: 9e15 }, true));
  await step(journal.finish(b!, outcomeOf(b!, { outcome: 'dropped', reason: 'hook-removed' })));
  await step(journal.acknowledged(1));
  await step(journal.claim('k', null, false));
}

describe('the journal', () => {
  it('says after a crash at any byte what some prefix of its records says', async () => {
    using folder = temporaryFolder();
    const states: string[] = [];
    const journal = await startedJournal(join(folder.path, 'whole'));
    states.push(JSON.stringify(account(journal)));
    await smallLife(journal, () => states.push(JSON.stringify(account(journal))));
    await journal.stop();
    const whole = await readFile(join(folder.path, 'whole', '0000000001.log'));
    const crashedAt = async (length: number): Promise<void> => {
      const cut = join(folder.path, String(length));
      await mkdir(cut);
      await writeFile(join(cut, '0000000001.log'), whole.subarray(0, length));
      const again = await startedJournal(cut);
      expect(states).toContain(JSON.stringify(account(again)));
      expect(again.health.status).toBe('ok');
      await again.stop();
    };
    const lengths = Array.from({ length: whole.length + 1 }, (_, length) => length);
    while (lengths.length > 0) await Promise.all(lengths.splice(-64).map(crashedAt));
  });

  it('keeps totals, windows and leftovers when it deletes the segments that held them', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path, { segmentBytes: 8192 });
    const [old] = routed(journal, 1);
    await journal.started(old!, OPEN);
    await journal.result(old!, attemptRecord());
    for (const text of ['task 1', 'task 2']) await journal.remember(old!, { action: 0, actionType: 'a2a', text });
    journal.claim('k', { key: 'k', fence: 7, holder: '', leaseUntil: 0, windowUntil: 9e15 }, true);
    for (let number = 2; number < 500; number++) {
      const [entry] = routed(journal, number);
      await journal.finish(entry!, outcomeOf(entry!));
      journal.acknowledged(journal.lastSequence);
    }
    await eventually(async () => expect((await readdir(folder.path)).length).toBeLessThan(6));
    expect(await readdir(folder.path)).not.toContain('0000000001.log');
    const before = account(journal);
    await journal.stop();
    const again = await startedJournal(folder.path, { segmentBytes: 8192 });
    expect(account(again)).toEqual(before);
    expect(account(again)).toMatchObject({ pending: [[1, 1, 0]], last: 498, acked: 498, windows: ['k'] });
    expect([...again.unsettled]).toEqual(['k']);
    expect(again.lastFence).toBe(7);
    expect((await again.event(again.pending()[0]!)).subject).toBe('s1');
    expect(again.pending()[0]!.remembered).toEqual([{ action: 0, actionType: 'a2a', text: 'task 2' }]);
    await again.stop();
  });

  it('reads records of a program that remembered nothing', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    await journal.stop();
    const file = join(folder.path, '0000000002.log');
    const carry = { k: 'carry', n: 1, at: { boot: 0, wall: 0 }, bootId: 'b', hook: entry!.hook, event: eventOf() };
    const older = JSON.stringify({ ...carry, open: [], attempts: [], final: null });
    const frames = Buffer.alloc(4096);
    let end = HEADER_BYTES + writeFrame(frames, 0, FORMAT);
    end += HEADER_BYTES + writeFrame(frames, end, older);
    await writeFile(file, frames.subarray(0, end));
    await rm(join(folder.path, '0000000001.log'));
    const again = await startedJournal(folder.path);
    expect(again.pending()).toMatchObject([{ n: 1, remembered: [] }]);
    await again.stop();
  });

  it('reads events and outcomes back that it does not keep in memory', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path, { segmentBytes: 1 << 18 });
    const entries = Array.from({ length: 5000 }, (_, index) => routed(journal, index + 1)[0]!);
    await journal.flush();
    expect(entries.filter(({ event }) => event !== null)).toHaveLength(4096);
    await Promise.all(entries.map((entry) => journal.finish(entry, outcomeOf(entry, { reason: `r${entry.n}` }))));
    expect(entries.filter(({ final }) => final !== null)).toHaveLength(4096);
    for (const n of [1, 4096, 4097, 5000]) {
      expect((await journal.event(entries[n - 1]!)).subject).toBe(`s${n}`);
      expect(await journal.outcome(entries[n - 1]!)).toMatchObject({ sequence: n, reason: `r${n}` });
    }
    journal.acknowledged(5000);
    expect(routed(journal, 5001)[0]!.event).not.toBeNull();
    await journal.stop();
  });

  it('keeps no more than a few megabytes of large events in memory', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const large = { ...(await journal.event(routed(journal, 1)[0]!)), subject: 'x'.repeat(1 << 20) };
    const kept = Array.from({ length: 20 }, () => journal.routed(large, ['trotline/h'], { boot: 0, wall: 0 }, 'b')[0]!);
    expect(kept.filter(({ event }) => event !== null).length).toBeLessThan(9);
    expect((await journal.event(kept[19]!)).subject).toHaveLength(1 << 20);
    await journal.stop();
  });

  it('refuses new events beyond its size, and takes them again when old ones are told', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path, { segmentBytes: 4096, maxBytes: 20_000 });
    for (let number = 1; journal.refusing === null; number++) routed(journal, number);
    expect(journal.refusing).toBe('journal-full');
    expect(journal.health).toEqual({ source: 'journal', status: 'degraded', reason: 'journal-full' });
    for (const entry of journal.pending()) await journal.finish(entry, outcomeOf(entry));
    journal.acknowledged(journal.lastSequence);
    await eventually(() => expect(journal.refusing).toBeNull());
    expect(journal.health.status).toBe('ok');
    await journal.stop();
  });

  it('takes what it is at to its successor: attempts without an end stay open', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    await journal.started(entry!, OPEN);
    const crashed = await startedJournal(folder.path);
    expect(crashed.pending()[0]).toMatchObject({ n: 1, open: [OPEN], attempts: [] });
    await Promise.all([journal.stop(), crashed.stop()]);
  });
});

describe('a damaged journal', () => {
  /** Three events, one of them done; then `spoil` touches the file. */
  async function damaged(folder: string, word: string): Promise<Journal> {
    const journal = await startedJournal(folder);
    const entries = [1, 2, 3].map((number) => routed(journal, number)[0]!);
    await journal.finish(entries[0]!, outcomeOf(entries[0]!, { reason: 'spoiled-outcome' }));
    await journal.finish(entries[1]!, outcomeOf(entries[1]!));
    await journal.stop();
    await (await startedJournal(folder)).stop();
    const path = join(folder, '0000000001.log');
    const bytes = await readFile(path);
    bytes.write('#', bytes.indexOf(word));
    await writeFile(path, bytes);
    return startedJournal(folder);
  }

  it.each([
    ['an event', '"s3"', { pending: 0, outcomes: { delivered: 2, 'dropped(journal-damaged)': 1 } }],
    ['an outcome', 'spoiled-outcome', { pending: 2 }],
  ])('tells the loss of %s: the ledger balances and the sequence has no holes', async (_, word, expected) => {
    using folder = temporaryFolder();
    const journal = await damaged(folder.path, word);
    account(journal);
    expect(journal.health).toMatchObject({ status: 'degraded', reason: expect.stringContaining('damaged') });
    expect(journal.hookLedgers().find(({ hook }) => hook === 'trotline/h')).toMatchObject(expected);
    for (const entry of journal.unreported(0, 10)) {
      expect(await journal.outcome(entry)).toMatchObject({
        sequence: entry.sequence,
        eventId: (await journal.event(entry)).id,
      });
    }
    const before = account(journal);
    await journal.stop();
    const again = await startedJournal(folder.path);
    expect(account(again)).toEqual(before);
    await again.stop();
  });

  it('that is older than what it reported numbers on behind that', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    await journal.finish(entry!, outcomeOf(entry!));
    journal.skipTo(100);
    account(journal);
    expect(journal.unreported(0, 10).map(({ sequence }) => sequence)).toEqual([101]);
    expect(journal.health.reason).toMatch(/control plane has 100/);
    await journal.stop();
    const again = await startedJournal(folder.path);
    expect(await again.outcome(again.unreported(0, 10)[0]!)).toMatchObject({ sequence: 101 });
    await again.stop();
  });
});

describe("a source's ledger in the journal", () => {
  const life = {
    source: 'netlink',
    life: 'f00d',
    heard: 4,
    unmatched: 4,
    routed: 0,
    lost: {},
    unknown: { from: 5, to: null },
  };

  it('is open-ended after a crash, with what was routed since its last counters', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    await journal.counters([life]);
    routed(journal, 6, ['trotline/h', 'trotline/i']);
    await journal.flush();
    const crashed = await startedJournal(folder.path);
    expect(crashed.sourceLedgers()).toEqual([{ ...life, heard: 5, routed: 1 }]);
    await Promise.all([journal.stop(), crashed.stop()]);
  });

  it('has nothing unknown after a clean end, and counts nothing that the source made itself', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const [entry] = routed(journal, 1);
    journal.routed(
      { ...(await journal.event(entry!)), synthetic: true, sequence: 2 },
      ['trotline/h'],
      { boot: 0, wall: 0 },
      'b',
    );
    expect(journal.sourceLedgers()).toMatchObject([{ heard: 1, routed: 1, unknown: { from: 1, to: null } }]);
    await journal.counters([{ ...life, unknown: null }]);
    await journal.stop();
    const again = await startedJournal(folder.path);
    expect(again.sourceLedgers()).toEqual([{ ...life, unknown: null }]);
    await again.stop();
  });

  it('is forgotten, oldest first, when there were very many lives', async () => {
    using folder = temporaryFolder();
    const journal = journalIn(folder.path);
    await journal.start();
    for (let count = 0; count < 100; count++) await journal.counters([{ ...life, life: `l${count}` }]);
    expect(journal.sourceLedgers()).toHaveLength(64);
    expect(journal.sourceLedgers().at(-1)?.life).toBe('l99');
    await journal.stop();
  });
});

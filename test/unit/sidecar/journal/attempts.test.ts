import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Entry } from '../../../../sidecar/journal/entry.ts';
import type { Journal } from '../../../../sidecar/journal/journal.ts';
import { eventually } from '../../../kit/eventually.ts';
import { attemptRecord, outcomeOf, routed, startedJournal, temporaryFolder } from '../kit.ts';

const SEGMENT = { segmentBytes: 16_384 };

function long(number: number): string {
  return `${number} `.repeat(2000);
}

async function attempted(journal: Journal, numbers: readonly number[]): Promise<Entry> {
  const [entry] = routed(journal, 1);
  for (const number of numbers) await journal.result(entry!, attemptRecord({ number, output: long(number) }));
  return entry!;
}

async function outputsOf(journal: Journal, entry: Entry): Promise<string[]> {
  await journal.finish(entry, outcomeOf(entry, { attempts: entry.attempts }));
  const { attempts } = await journal.outcome(entry);
  return attempts.map(({ output }) => output);
}

describe('attempts of a pending entry', () => {
  it('have the beginnings of their texts in memory, and the whole in the outcome', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path);
    const entry = await attempted(journal, [1, 2, 3]);
    await journal.result(entry, attemptRecord({ number: 4, output: 'short' }));
    const beginnings = [1, 2, 3].map((number) => long(number).slice(0, 256));
    expect(entry.attempts.map(({ output }) => output)).toEqual([...beginnings, 'short']);
    expect(await outputsOf(journal, entry)).toEqual([long(1), long(2), long(3), 'short']);
    await journal.stop();
  });

  it('have it also after a restart, and when they were moved out of an old segment', async () => {
    using folder = temporaryFolder();
    const before = await startedJournal(folder.path, SEGMENT);
    await attempted(before, [1, 2]);
    await before.stop();
    const journal = await startedJournal(folder.path, SEGMENT);
    const [entry] = journal.pending();
    const { segment } = entry!.position;
    for (let number = 2; entry!.position.segment === segment; number++) {
      const [other] = routed(journal, number);
      await journal.finish(other!, outcomeOf(other!));
      journal.acknowledged(journal.lastSequence);
    }
    await journal.result(entry!, attemptRecord({ number: 3, output: long(3) }));
    expect(entry!.attempts.every(({ output }) => output.length === 256)).toBe(true);
    expect(await outputsOf(journal, entry!)).toEqual([long(1), long(2), long(3)]);
    await journal.stop();
  });

  it('that cannot be read back do not hold the outcome up', async () => {
    using folder = temporaryFolder();
    const before = await startedJournal(folder.path);
    await attempted(before, [1]);
    await before.stop();
    const journal = await startedJournal(folder.path);
    await rm(join(folder.path, '0000000001.log'));
    expect(await outputsOf(journal, journal.pending()[0]!)).toEqual([long(1).slice(0, 256)]);
    await journal.stop();
  });

  it('take so much memory and no more before new events are refused', async () => {
    using folder = temporaryFolder();
    const journal = await startedJournal(folder.path, { maxAttemptBytes: 2000 });
    const entry = await attempted(journal, [1, 2, 3]);
    expect(journal.refusing).toBeNull();
    await journal.result(entry, attemptRecord({ number: 4, output: long(4) }));
    expect(journal.refusing).toBe('journal-full');
    await journal.finish(entry, outcomeOf(entry));
    await eventually(() => expect(journal.refusing).toBeNull());
    await journal.stop();
  });
});

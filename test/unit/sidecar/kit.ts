/** A journal in a folder of its own and a clock that only the test moves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

import { type AttemptRecord, type Clock, type OutcomeRecord, sleepOn } from '#core';

import type { BootClock } from '../../../sidecar/boottime.ts';
import type { Entry } from '../../../sidecar/journal/entry.ts';
import { Journal, type JournalOptions } from '../../../sidecar/journal/journal.ts';
import { eventOf, silentLog } from '../../kit/action-context.ts';

export interface TestClock extends Clock {
  /** Moves both clocks, from sleeper to sleeper, and lets what wakes run between. */
  pass(ms: number): Promise<void>;
}

export function testClock(settle: () => Promise<void> = turns): TestClock {
  const wall = Date.UTC(2026, 0, 1);
  let now = 0;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  const after = (ms: number, wake: () => void) => {
    const sleeper = { until: now + ms, wake };
    sleepers.add(sleeper);
    return () => void sleepers.delete(sleeper);
  };
  return {
    now: () => wall + now,
    monotonic: () => now,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    async pass(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = [...sleepers].sort((a, b) => a.until - b.until)[0];
        if (!next || next.until > end) break;
        now = Math.max(now, next.until);
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      now = end;
      await settle();
    },
  };
}

/** Long enough for everything that needs no I/O. */
export async function turns(): Promise<void> {
  for (let count = 0; count < 12; count++) await turn();
}

export function bootClockOf(clock: Clock, bootId = 'boot-1'): BootClock {
  return { bootId, moment: () => ({ boot: clock.monotonic(), wall: clock.now() }) };
}

export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'trotline-unit-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function journalIn(folder: string, parts: Partial<JournalOptions> = {}): Journal {
  const clock = parts.clock ?? testClock();
  return new Journal({
    folder,
    sync: 'none',
    segmentBytes: 1 << 20,
    maxBytes: 1 << 28,
    node: 'n',
    clock,
    bootClock: bootClockOf(clock),
    log: silentLog,
    ...parts,
  });
}

export async function startedJournal(folder: string, parts: Partial<JournalOptions> = {}): Promise<Journal> {
  const journal = journalIn(folder, parts);
  await journal.start();
  return journal;
}

export function routed(journal: Journal, number: number, hooks: readonly string[] = ['trotline/h']): Entry[] {
  const event = eventOf({ id: `netlink-f00d-${number}`, sequence: number, subject: `s${number}` });
  return [...journal.routed(event, hooks, { boot: 0, wall: 0 }, 'boot-1')];
}

export function outcomeOf(
  { eventId, hook }: Entry,
  parts: Partial<Omit<OutcomeRecord, 'sequence'>> = {},
): Omit<OutcomeRecord, 'sequence'> {
  return { eventId, hook, outcome: 'delivered', reason: '', uncoordinated: false, timeMs: 1, attempts: [], ...parts };
}

export function attemptRecord(parts: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    action: 0,
    actionType: 'script',
    number: 1,
    deliveryId: 'd',
    status: 'retry',
    reason: 'busy',
    detail: '',
    output: '',
    timedOut: false,
    startedMs: 1,
    durationMs: 1,
    ...parts,
  };
}

/** Writes events and outcomes down. */
import type { DatabaseSync } from 'node:sqlite';

import { AppError, type OutcomeRecord, type ReportBatch } from '#core';

import { packEvent, packOutcome } from './record.ts';
import { integer } from './rows.ts';

export interface HistoryWriter {
  /** Inside a transaction. `outcomes` are the batch's new ones; MESSAGE_INVALID when one names an event nobody sent. */
  write(batch: ReportBatch, outcomes: readonly OutcomeRecord[]): void;
}

/** `now`: wall clock, milliseconds; retention counts from when a thing was stored. */
export function createHistoryWriter(database: DatabaseSync, now: () => number): HistoryWriter {
  const insertEvent = database.prepare(
    `INSERT OR IGNORE INTO events (id, type, subject, node, time_ms, stored_ms, record) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const findEvent = database.prepare('SELECT row FROM events WHERE id = ?');
  const insertOutcome = database.prepare('INSERT INTO outcomes (event, hook, outcome, record) VALUES (?, ?, ?, ?)');

  return {
    write({ events, progress }, outcomes) {
      const named = new Set([...outcomes, ...progress].map(({ eventId }) => eventId));
      const rows = new Map<string, number>();
      for (const event of events) {
        if (!named.has(event.id)) continue;
        const { id, type, subject, node, time } = event;
        const { changes, lastInsertRowid } = insertEvent.run(id, type, subject, node, time, now(), packEvent(event));
        if (changes === 1) rows.set(id, Number(lastInsertRowid));
      }
      for (const outcome of outcomes) {
        const row = rows.get(outcome.eventId) ?? storedRow(outcome.eventId);
        insertOutcome.run(row, outcome.hook, outcome.outcome, packOutcome(outcome));
      }
    },
  };

  function storedRow(eventId: string): number {
    const found = findEvent.get(eventId);
    if (!found)
      throw new AppError('MESSAGE_INVALID', `outcome names the event ${eventId}, expected it in the same batch`);
    return integer(found, 'row');
  }
}

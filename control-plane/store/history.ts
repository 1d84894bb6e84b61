/** Writes events and outcomes down. */
import type { DatabaseSync } from 'node:sqlite';

import { AppError, type OutcomeRecord, type ReportBatch } from '#core';

import { packEvent, packOutcome } from './record.ts';
import { integer } from './rows.ts';
import type { Sessions } from './sessions.ts';

export interface HistoryWriter {
  /**
   * Inside a transaction. `outcomes` are the batch's new ones; MESSAGE_INVALID when one names an event nobody sent. Returns
   * which events of the batch, by index, were not stored before.
   */
  write(batch: ReportBatch, outcomes: readonly OutcomeRecord[]): number[];
}

/** `now`: wall clock, milliseconds; retention counts from when a thing was stored. */
export function createHistoryWriter(
  database: DatabaseSync,
  sessions: Pick<Sessions, 'stored' | 'isForgotten'>,
  now: () => number,
): HistoryWriter {
  const insertEvent = database.prepare(
    `INSERT OR IGNORE INTO events (id, type, subject, node, time_ms, stored_ms, record) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const findEvent = database.prepare('SELECT row FROM events WHERE id = ?');
  const insertOutcome = database.prepare('INSERT INTO outcomes (event, hook, outcome, record) VALUES (?, ?, ?, ?)');

  return {
    write({ events, progress }, outcomes) {
      const named = new Set([...outcomes, ...progress].map(({ eventId }) => eventId));
      const rows = new Map<string, number>();
      const added: number[] = [];
      for (const [index, event] of events.entries()) {
        if (!named.has(event.id) || sessions.isForgotten(event.id)) continue;
        const { id, type, subject, node, time } = event;
        const { changes, lastInsertRowid } = insertEvent.run(id, type, subject, node, time, now(), packEvent(event));
        if (changes !== 1) continue;
        rows.set(id, Number(lastInsertRowid));
        sessions.stored(Number(lastInsertRowid), event);
        added.push(index);
      }
      for (const outcome of outcomes) {
        const row = rows.get(outcome.eventId) ?? storedRow(outcome.eventId);
        if (row === null) continue;
        insertOutcome.run(row, outcome.hook, outcome.outcome, packOutcome(outcome));
      }
      return added;
    },
  };

  /** Null: it was, and is forgotten. */
  function storedRow(eventId: string): number | null {
    const found = findEvent.get(eventId);
    if (!found && sessions.isForgotten(eventId)) return null;
    if (!found)
      throw new AppError('MESSAGE_INVALID', `outcome names the event ${eventId}, expected it in the same batch`);
    return integer(found, 'row');
  }
}

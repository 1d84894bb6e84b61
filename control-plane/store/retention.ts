/** Keeps the history in bounds, oldest first, in slices short enough that nothing waits for them. */
import type { DatabaseSync } from 'node:sqlite';

import { numberOrNull } from './rows.ts';
import { pragma } from './tables.ts';

/** Whichever comes first. Bytes are those in use in the database's file. */
export interface Retention {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Pause between looks. */
  readonly everyMs: number;
}

export const DEFAULT_RETENTION: Retention = { maxAgeMs: 7 * 24 * 3_600_000, maxBytes: 2 ** 30, everyMs: 10_000 };

const SLICE_EVENTS = 200;
const SLICE_PAGES = 500;

/**
 * Returns what deletes one slice and says whether there is more to do; call it inside a transaction. `onDeleted`: events of rows up to
 * this one are gone.
 */
export function createRetention(
  database: DatabaseSync,
  limits: Retention,
  now: () => number,
  onDeleted: (upTo: number) => void,
): () => boolean {
  const oldest = database.prepare('SELECT max(row) AS row FROM (SELECT row FROM events ORDER BY row LIMIT ?)');
  const oldAmong = database.prepare(
    'SELECT max(row) AS row FROM (SELECT row, stored_ms FROM events ORDER BY row LIMIT ?) WHERE stored_ms < ?',
  );
  const deleteOutcomes = database.prepare('DELETE FROM outcomes WHERE event <= ?');
  const deleteEvents = database.prepare('DELETE FROM events WHERE row <= ?');

  return () => {
    const tooMuch = bytesInUse(database) > limits.maxBytes;
    const found = tooMuch ? oldest.get(SLICE_EVENTS) : oldAmong.get(SLICE_EVENTS, now() - limits.maxAgeMs);
    const upTo = found ? numberOrNull(found, 'row') : null;
    if (upTo !== null) {
      deleteOutcomes.run(upTo);
      deleteEvents.run(upTo);
      onDeleted(upTo);
    }
    const free = pragma(database, 'freelist_count');
    if (free > SLICE_PAGES) database.exec(`PRAGMA incremental_vacuum(${SLICE_PAGES})`);
    return upTo !== null || free > 2 * SLICE_PAGES;
  };
}

function bytesInUse(database: DatabaseSync): number {
  const pages = pragma(database, 'page_count') - pragma(database, 'freelist_count');
  return pages * pragma(database, 'page_size');
}

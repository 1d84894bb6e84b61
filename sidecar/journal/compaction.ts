import { setImmediate as nextTurn } from 'node:timers/promises';

import type { LiveIndex } from './live.ts';
import type { SegmentLog } from './segment-log.ts';
import type { JournalState } from './state.ts';

/** Live records are moved forward when there is so many times as much on disk as lives. */
const WASTE = 4;
/** Segments that are never worth it. */
const SPARE_SEGMENTS = 2;
/** Records that are moved before the event loop gets a turn. */
const SLICE = 32;

type LiveRecord = JournalState['live'] extends LiveIndex<infer T> ? T : never;

/**
 * Deletes the oldest segments: those in which nothing lives, and, when most of what is on disk is dead, those whose live
 * records `carry` has moved forward. Each byte that is moved frees three, whatever the load.
 */
export async function compact(
  log: SegmentLog,
  live: JournalState['live'],
  segmentBytes: number,
  carry: (record: LiveRecord) => Promise<void>,
): Promise<void> {
  for (let oldest = log.oldest; oldest !== null; oldest = log.oldest) {
    const records = live.in(oldest);
    if (records.size > 0) {
      if (log.bytes < WASTE * live.bytes + SPARE_SEGMENTS * segmentBytes) return;
      let moved = 0;
      for (const record of records) {
        await carry(record);
        if (++moved % SLICE === 0) await nextTurn();
      }
      if (live.in(oldest).size > 0) return;
    }
    // What makes the segment superfluous, the next head before all, is on disk first.
    await log.flush();
    await log.remove(oldest);
  }
}

/** Reads events with the outcomes that are stored of them. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

import { briefOutcome } from './brief.ts';
import type { StoredQuery } from './messages.ts';
import { unpackEvent, unpackOutcome } from './record.ts';
import { bytes, integer, type Row, text } from './rows.ts';
import type { EventDetail, EventSummary, HookOutcome } from './types.ts';

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 10_000;
/** Characters of an answer of many events; the oldest are left out. */
const MAX_CHARACTERS = 16 * 2 ** 20;

export interface HistoryReader {
  /** Newest first; of texts only the beginning. */
  events(query: StoredQuery): EventSummary[];
  /** By id or a start of it that only one event has; texts in full. */
  event(id: string): EventDetail | null;
  /** As `events`, in the order of `ids`, without those that are not stored. */
  summaries(ids: readonly string[]): EventSummary[];
}

const SUMMARY = 'SELECT e.row, e.id, e.type, e.subject, e.node, e.time_ms FROM events e';

export function createHistoryReader(database: DatabaseSync): HistoryReader {
  const outcomesOf = database.prepare('SELECT record FROM outcomes WHERE event = ? ORDER BY rowid');
  const byId = database.prepare(`${SUMMARY} WHERE e.id = ?`);
  const byStart = database.prepare('SELECT id FROM events WHERE id >= ? AND id < ? LIMIT 2');
  const recordOf = database.prepare('SELECT record FROM events WHERE id = ?');
  const fullOf = (row: Row): EventSummary => readSummary(row, outcomesOf);
  const summaryOf = (row: Row): EventSummary => {
    const full = fullOf(row);
    return { ...full, hooks: full.hooks.map(briefOutcome) };
  };

  return {
    events(query) {
      const { where, values } = conditionsOf(query);
      const sql = `${SUMMARY} ${where} ORDER BY e.time_ms DESC, e.row DESC LIMIT ?`;
      const limit = Math.min(Math.max(query.limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT);
      const events: EventSummary[] = [];
      let left = MAX_CHARACTERS;
      for (const row of database.prepare(sql).iterate(...values, limit)) {
        const summary = summaryOf(row);
        left -= JSON.stringify(summary).length;
        if (left < 0 && events.length > 0) break;
        events.push(summary);
      }
      return events;
    },
    event(id) {
      const exact = byId.get(id) ?? byId.get(onlyStart(byStart.all(id, `${id}\u{10FFFF}`)) ?? '');
      if (!exact) return null;
      const summary = fullOf(exact);
      const record = recordOf.get(summary.id);
      return record ? { ...summary, event: unpackEvent(bytes(record, 'record')) } : null;
    },
    summaries: (ids) => ids.flatMap((id) => byId.all(id).map(summaryOf)),
  };
}

function onlyStart(rows: readonly Row[]): string | null {
  const [first, second] = rows;
  return first && !second ? text(first, 'id') : null;
}

function conditionsOf({ sinceMs, untilMs, source, type, hook, node, outcome, session, alsoIds }: StoredQuery) {
  const parts: string[] = [];
  const values: (string | number)[] = [];
  const add = (part: string, ...given: (string | number)[]): void => {
    parts.push(part);
    values.push(...given);
  };
  if (sinceMs !== undefined) add('e.time_ms >= ?', sinceMs);
  if (untilMs !== undefined) add('e.time_ms < ?', untilMs);
  // `/` follows `.`: every type that begins with the source and a dot.
  if (source !== undefined) add('e.type >= ? AND e.type < ?', `${source}.`, `${source}/`);
  if (type !== undefined) add('e.type = ?', type);
  if (node !== undefined) add('e.node = ?', node);
  if (session !== undefined) add('e.row IN (SELECT event FROM session_events WHERE session = ?)', session);
  if (hook !== undefined || outcome !== undefined) {
    const ofHook = hook === undefined ? '' : ' AND o.hook = ?';
    const ofOutcome = outcome === undefined ? '' : ' AND o.outcome = ?';
    const given = [hook, outcome].filter((value) => value !== undefined);
    const stored = `EXISTS (SELECT 1 FROM outcomes o WHERE o.event = e.row${ofHook}${ofOutcome})`;
    add(`(${stored} OR e.id IN (SELECT value FROM json_each(?)))`, ...given, JSON.stringify(alsoIds));
  }
  return { where: parts.length === 0 ? '' : `WHERE ${parts.join(' AND ')}`, values };
}

function readSummary(row: Row, outcomesOf: StatementSync): EventSummary {
  return {
    id: text(row, 'id'),
    type: text(row, 'type'),
    subject: text(row, 'subject'),
    node: text(row, 'node'),
    timeMs: integer(row, 'time_ms'),
    hooks: outcomesOf.all(integer(row, 'row')).map((outcome) => readOutcome(bytes(outcome, 'record'))),
  };
}

function readOutcome(record: Uint8Array): HookOutcome {
  const { hook, outcome, reason, uncoordinated, timeMs, attempts } = unpackOutcome(record);
  return { hook, outcome, reason, uncoordinated, timeMs, attempts, waitsFor: '', nextAttemptMs: 0 };
}

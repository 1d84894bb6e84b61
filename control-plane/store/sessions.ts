/** Sessions of agents: what each did, in brief, and how all of it is forgotten. */
import type { DatabaseSync } from 'node:sqlite';

import { isSuccess, type ToolCount, toolCounts, type TrotlineEvent } from '#core';

import { createAuditWriter } from './overrides.ts';
import { unpackEvent } from './record.ts';
import { bytes, integer, numberOrNull, type Row, text } from './rows.ts';
import type { Forgetting, Forgotten, Session } from './types.ts';

/** Events that are counted in one transaction: nothing waits long for it. */
const AT_A_TIME = 500;
/** Ids of events of the source `agent`: `.` follows `-`. */
const FROM = 'agent-';
const TO = 'agent.';
const MARK = 'summarised';

export interface Sessions {
  /** Inside a transaction, with the row of each event that was stored. */
  stored(row: number, event: TrotlineEvent): void;
  /** Inside a transaction: whether an outcome names an event that was forgotten, so that nobody waits for it. */
  isForgotten(eventId: string): boolean;
  /** Inside a transaction: counts what is stored and not counted yet; true: there is more. */
  summarise(): boolean;
  /** Inside a transaction. Deletes events, outcomes and questions of a session, and writes an audit record. */
  forget(forgetting: Forgetting): Forgotten;
  /** Inside a transaction: events of rows up to this one were deleted. */
  deleted(upTo: number): void;
  /** Inside a transaction: what is older is deleted. */
  prune(maxAgeMs: number): void;
}

export function createSessions(database: DatabaseSync, now: () => number): Sessions {
  const link = database.prepare('INSERT OR IGNORE INTO session_events (session, event) VALUES (?, ?)');
  const forgotten = database.prepare('SELECT 1 FROM forgotten WHERE id = ?');
  const mark = database.prepare(`SELECT value FROM meta WHERE name = '${MARK}'`);
  const setMark = database.prepare(`INSERT OR REPLACE INTO meta (name, value) VALUES ('${MARK}', ?)`);
  const newest = database.prepare('SELECT max(row) AS row FROM events');
  const uncounted = database.prepare(
    `SELECT row, record FROM events WHERE row > ? AND id >= '${FROM}' AND id < '${TO}' ORDER BY row LIMIT ${AT_A_TIME}`,
  );
  const find = database.prepare('SELECT * FROM sessions WHERE session = ?');
  const write = database.prepare(
    `INSERT OR REPLACE INTO sessions (session, agent, node, first_ms, last_ms, events, refused, tools)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const remember = database.prepare(
    `INSERT OR IGNORE INTO forgotten (id, at_ms)
     SELECT e.id, ? FROM session_events s JOIN events e ON e.row = s.event WHERE s.session = ?`,
  );
  const inSession = '(SELECT event FROM session_events WHERE session = ?)';
  const deleteOutcomes = database.prepare(`DELETE FROM outcomes WHERE event IN ${inSession}`);
  const deleteEvents = database.prepare(`DELETE FROM events WHERE row IN ${inSession}`);
  const deleteLinks = database.prepare('DELETE FROM session_events WHERE session = ?');
  const deleteSession = database.prepare('DELETE FROM sessions WHERE session = ?');
  const deleteApprovals = database.prepare("DELETE FROM approvals WHERE json_extract(asked, '$.session') = ?");
  const pruneLinks = database.prepare('DELETE FROM session_events WHERE event <= ?');
  const pruneSessions = database.prepare('DELETE FROM sessions WHERE last_ms < ?');
  const pruneForgotten = database.prepare('DELETE FROM forgotten WHERE at_ms < ?');
  const audit = createAuditWriter(database, now);

  const add = (name: string, events: readonly TrotlineEvent[]): void => {
    const row = find.get(name);
    const before = row ? sessionIn(row) : null;
    const times = events.map(({ time }) => time);
    const [first] = events;
    write.run(
      name,
      before?.agent || agentOf(first),
      first?.node ?? '',
      Math.min(before?.firstMs ?? Infinity, ...times),
      Math.max(before?.lastMs ?? 0, ...times),
      (before?.events ?? 0) + events.length,
      (before?.refused ?? 0) + events.filter(({ attributes }) => attributes['agent.verdict'] === 'deny').length,
      JSON.stringify(together(before?.tools ?? {}, toolCounts(events.filter(isToolUse)))),
    );
  };

  return {
    stored(row, event) {
      const session = sessionOf(event);
      if (session !== '') link.run(session, row);
    },
    isForgotten: (eventId) => forgotten.get(eventId) !== undefined,
    summarise() {
      const from = numberOrNull(mark.get() ?? { value: null }, 'value') ?? 0;
      const rows = uncounted.all(from);
      const events = rows.map((row) => unpackEvent(bytes(row, 'record')));
      for (const [name, own] of Map.groupBy(events, sessionOf)) if (name !== '') add(name, own);
      const last = rows.at(-1);
      const isMore = rows.length === AT_A_TIME;
      const upTo = isMore && last ? integer(last, 'row') : numberOrNull(newest.get() ?? { row: null }, 'row');
      if (upTo !== null && upTo > from) setMark.run(upTo);
      return isMore;
    },
    forget({ session, who }) {
      remember.run(now(), session);
      deleteOutcomes.run(session);
      const events = Number(deleteEvents.run(session).changes);
      const approvals = Number(deleteApprovals.run(session).changes);
      deleteLinks.run(session);
      deleteSession.run(session);
      const detail = `${events} events and ${approvals} approvals deleted`;
      audit({ who, act: 'session-forgotten', subject: session, detail });
      return { session, events, approvals };
    },
    deleted: (upTo) => void pruneLinks.run(upTo),
    prune(maxAgeMs) {
      pruneSessions.run(now() - maxAgeMs);
      pruneForgotten.run(now() - maxAgeMs);
    },
  };
}

/** The one that was heard last first. */
export function readSessions(database: DatabaseSync, limit: number): Session[] {
  return database.prepare('SELECT * FROM sessions ORDER BY last_ms DESC LIMIT ?').all(limit).map(sessionIn);
}

export function readSession(database: DatabaseSync, session: string): Session | null {
  const row = database.prepare('SELECT * FROM sessions WHERE session = ?').get(session);
  return row ? sessionIn(row) : null;
}

function sessionIn(row: Row): Session {
  return {
    session: text(row, 'session'),
    agent: text(row, 'agent'),
    node: text(row, 'node'),
    firstMs: integer(row, 'first_ms'),
    lastMs: integer(row, 'last_ms'),
    events: integer(row, 'events'),
    refused: integer(row, 'refused'),
    // Written by this file alone.
    tools: JSON.parse(text(row, 'tools')),
  };
}

function together(
  before: Session['tools'],
  counted: Readonly<Record<string, ToolCount>>,
): Readonly<Record<string, ToolCount>> {
  const tools = new Map(Object.entries(before));
  for (const [tool, { count, success_count, error_count }] of Object.entries(counted)) {
    const known = tools.get(tool) ?? { count: 0, success_count: 0, error_count: 0 };
    tools.set(tool, {
      count: known.count + count,
      success_count: known.success_count + success_count,
      error_count: known.error_count + error_count,
    });
  }
  return Object.fromEntries(tools);
}

/** One use is one count: the question before it where it was refused, else what it came to. */
function isToolUse(event: TrotlineEvent): boolean {
  return event.type === 'agent.pre-tool-use' ? !isSuccess(event) : event.type.startsWith('agent.post-tool-use');
}

function sessionOf({ attributes }: TrotlineEvent): string {
  const session = attributes['agent.session'];
  return typeof session === 'string' ? session : '';
}

function agentOf(event: TrotlineEvent | undefined): string {
  const agent = event?.attributes['agent.id'];
  return typeof agent === 'string' ? agent : '';
}

/** Administrators' words over hooks, and the record of who did what. The record is append-only. */
import type { DatabaseSync } from 'node:sqlite';

import type { OverrideRequest } from './messages.ts';
import { integer, text } from './rows.ts';
import type { AuditRecord, Override } from './types.ts';

/** Returns what sets (or with null removes) an override and writes who did it; call it inside a transaction. */
export function createOverrideWriter(database: DatabaseSync, now: () => number): (request: OverrideRequest) => null {
  const set = database.prepare('INSERT OR REPLACE INTO overrides (hook, enabled, who, when_ms) VALUES (?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM overrides WHERE hook = ?');
  const note = createAuditWriter(database, now);
  return ({ hook, enabled, who }) => {
    const whenMs = now();
    if (enabled === null) remove.run(hook);
    else set.run(hook, enabled ? 1 : 0, who, whenMs);
    const detail = enabled === null ? 'removed' : `enabled: ${enabled}`;
    note({ who, act: 'override', subject: hook, detail });
    return null;
  };
}

/** Returns what writes a record; call it inside the transaction of the act. */
export function createAuditWriter(
  database: DatabaseSync,
  now: () => number,
): (record: Omit<AuditRecord, 'id' | 'whenMs'>) => null {
  const note = database.prepare('INSERT INTO audit (when_ms, who, act, subject, detail) VALUES (?, ?, ?, ?, ?)');
  return ({ who, act, subject, detail }) => {
    note.run(now(), who, act, subject, detail);
    return null;
  };
}

export function readOverrides(database: DatabaseSync): Override[] {
  const rows = database.prepare('SELECT * FROM overrides ORDER BY hook').all();
  return rows.map((row) => ({
    hook: text(row, 'hook'),
    enabled: integer(row, 'enabled') === 1,
    who: text(row, 'who'),
    whenMs: integer(row, 'when_ms'),
  }));
}

/** Newest first. */
export function readAudit(database: DatabaseSync, limit: number): AuditRecord[] {
  const rows = database.prepare('SELECT * FROM audit ORDER BY id DESC LIMIT ?').all(limit);
  return rows.map((row) => ({
    id: integer(row, 'id'),
    whenMs: integer(row, 'when_ms'),
    who: text(row, 'who'),
    act: text(row, 'act'),
    subject: text(row, 'subject'),
    detail: text(row, 'detail'),
  }));
}

/** The schema, by version (`PRAGMA user_version`). A newer program adds a step; a step never changes. */
import type { DatabaseSync } from 'node:sqlite';

import { AppError } from '#core';

import { integer } from './rows.ts';

/**
 * Step n leads from version n to n + 1. Claims are keyed by fence, so that new ones land side by side at the end: a key
 * is found in memory. `record` columns hold a `PublishRequest` with the one thing in it.
 */
const STEPS: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE claims (
     fence INTEGER PRIMARY KEY, key TEXT NOT NULL, holder TEXT NOT NULL,
     lease_until REAL NOT NULL, window_until REAL NOT NULL
   ) STRICT;
   CREATE TABLE events (
     row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, subject TEXT NOT NULL, node TEXT NOT NULL,
     time_ms REAL NOT NULL, stored_ms REAL NOT NULL, record BLOB NOT NULL
   ) STRICT;
   CREATE INDEX events_by_time ON events (time_ms);
   CREATE TABLE outcomes (
     event INTEGER NOT NULL, hook TEXT NOT NULL, outcome TEXT NOT NULL, record BLOB NOT NULL
   ) STRICT;
   CREATE INDEX outcomes_by_event ON outcomes (event);
   CREATE INDEX outcomes_by_hook ON outcomes (hook, event);
   CREATE TABLE stats (
     hook TEXT NOT NULL, node TEXT NOT NULL, executions INTEGER NOT NULL, successes INTEGER NOT NULL,
     failures INTEGER NOT NULL, timeouts INTEGER NOT NULL, min_ms REAL, max_ms REAL, total_ms REAL NOT NULL, last_at_ms REAL,
     PRIMARY KEY (hook, node)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE sidecars (
     id TEXT PRIMARY KEY, node TEXT NOT NULL, stored_sequence INTEGER NOT NULL, updated_ms REAL NOT NULL, record BLOB
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE stored_outcomes (
     sidecar TEXT NOT NULL, hook TEXT NOT NULL, outcome TEXT NOT NULL, count INTEGER NOT NULL,
     PRIMARY KEY (sidecar, hook, outcome)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE overrides (
     hook TEXT PRIMARY KEY, enabled INTEGER NOT NULL, who TEXT NOT NULL, when_ms REAL NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT, when_ms REAL NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL,
     subject TEXT NOT NULL, detail TEXT NOT NULL
   ) STRICT;
   CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit is append-only'); END;
   CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit is append-only'); END;`,
  'ALTER TABLE claims ADD COLUMN settled_until REAL NOT NULL DEFAULT 0;',
  `ALTER TABLE stats ADD COLUMN timed INTEGER NOT NULL DEFAULT 0;
   UPDATE stats SET timed = executions;
   CREATE TABLE durations (
     hook TEXT NOT NULL, node TEXT NOT NULL, newest BLOB NOT NULL, PRIMARY KEY (hook, node)
   ) STRICT;`,
  `ALTER TABLE sidecars ADD COLUMN missing_until INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE incidents (
     key TEXT PRIMARY KEY, members INTEGER NOT NULL, ends_ms REAL NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE members (
     key TEXT NOT NULL, member TEXT NOT NULL, joined_ms REAL NOT NULL, PRIMARY KEY (key, member)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE openings (budget TEXT NOT NULL, opened_ms REAL NOT NULL, until_ms REAL NOT NULL) STRICT;
   CREATE INDEX openings_by_budget ON openings (budget, opened_ms);`,
  `CREATE TABLE approvals (
     id TEXT PRIMARY KEY, hook TEXT NOT NULL, node TEXT NOT NULL, asked TEXT NOT NULL, created_ms REAL NOT NULL,
     expires_ms REAL NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, settled_ms REAL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX approvals_by_time ON approvals (created_ms);`,
  `CREATE TABLE sessions (
     session TEXT PRIMARY KEY, agent TEXT NOT NULL, node TEXT NOT NULL, first_ms REAL NOT NULL, last_ms REAL NOT NULL,
     events INTEGER NOT NULL, refused INTEGER NOT NULL, tools TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX sessions_by_time ON sessions (last_ms);
   CREATE TABLE session_events (
     session TEXT NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (session, event)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX session_events_by_event ON session_events (event);
   CREATE TABLE forgotten (id TEXT PRIMARY KEY, at_ms REAL NOT NULL) STRICT, WITHOUT ROWID;`,
];

/** Brings the schema to this program's version. Refuses a file of a newer program and a database that is not a store. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = pragma(database, 'user_version');
  if (version > STEPS.length) {
    const versions = `its format is version ${version}, this program reads up to ${STEPS.length}`;
    throw new AppError('STORE_FAILED', `store ${path} was written by a newer program: ${versions}`);
  }
  if (version === 0 && pragma(database, 'page_count') > 0 && holdsTables(database)) {
    throw new AppError(
      'STORE_FAILED',
      `${path} is an SQLite database but no Trotline store, expected a file of our own`,
    );
  }
  for (const [index, step] of STEPS.entries()) {
    if (index < version) continue;
    database.exec(`BEGIN; ${step} PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** The number that `PRAGMA name` answers. */
export function pragma(
  database: DatabaseSync,
  name: 'user_version' | 'page_count' | 'page_size' | 'freelist_count',
): number {
  return integer(database.prepare(`PRAGMA ${name}`).get() ?? {}, name);
}

function holdsTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() !== undefined;
}

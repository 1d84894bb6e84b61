/** Opens the store's file. One process at a time: the lock is the kernel's, so it dies with its holder. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { AppError, errorText } from '#core';

import { migrate } from './tables.ts';

/** How long a statement waits for another program (a backup) that holds the file. */
const BUSY_MS = 5_000;

/** Result codes of SQLite (https://www.sqlite.org/rescode.html). */
const BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

export interface OpenDatabase {
  readonly database: DatabaseSync;
  readonly close: () => void;
}

/** Creates folder (0700) and file (0600) as needed. Throws STORE_FAILED with the path and the reason; deletes nothing. */
export function openWriter(path: string): OpenDatabase {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const lock = takeLock(`${path}.lock`, path);
    try {
      if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
      const database = new DatabaseSync(path, { timeout: BUSY_MS });
      database.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0');
      database.exec('PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384');
      migrate(database, path);
      return { database, close: () => [database, lock].forEach((each) => each.close()) };
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw openingError(path, error);
  }
}

/** A second connection to a file that a writer of this process has open: for queries and checkpoints. */
export function openReader(path: string): OpenDatabase {
  try {
    const database = new DatabaseSync(path, { timeout: BUSY_MS });
    database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192');
    return { database, close: () => database.close() };
  } catch (error) {
    throw openingError(path, error);
  }
}

/** SQLite's primary result code; null for what is no SQLite error. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

function takeLock(lockPath: string, path: string): DatabaseSync {
  const lock = new DatabaseSync(lockPath, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    chmodSync(lockPath, 0o600);
    return lock;
  } catch (error) {
    lock.close();
    if (sqliteCode(error) !== BUSY) throw error;
    throw new AppError('STORE_FAILED', `store ${path} is in use by another control plane (it holds ${lockPath})`, {
      cause: error,
    });
  }
}

/** What a store that does not open says: its path, and whether the file is damaged. */
export function openingError(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = sqliteCode(error);
  const damaged = code === CORRUPT || code === NOT_A_DATABASE;
  const hint = damaged
    ? `is damaged or no database (${errorText(error)}); it was left as it is`
    : `cannot be opened: ${errorText(error)}`;
  return new AppError('STORE_FAILED', `store ${path} ${hint}`, { cause: error });
}

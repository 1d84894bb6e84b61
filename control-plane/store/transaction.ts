/** Group commit: the work of many requests in one transaction, and what happens when it fails. */
import type { DatabaseSync } from 'node:sqlite';

import type { ClaimStore } from './claim-store.ts';
import { sqliteCode } from './database.ts';
import { failureOf, type Reply } from './messages.ts';
import type { Say } from './thread.ts';

/** SQLite's codes for a statement that cannot work with these values, whatever the disk: too big, constraint, mismatch. */
const BAD_VALUES: ReadonlySet<number> = new Set([18, 19, 20]);

export interface Transactions {
  /** Everything or nothing; what `work` returns may be told to others. Claims that changed are written with it. */
  run<T>(work: () => T): T;
  /** Inside `run`: undoes one request alone when it is the request's fault; a failing disk fails them all. */
  alone(id: number, work: () => unknown): Reply;
}

export function createTransactions(database: DatabaseSync, claims: ClaimStore, say: Say): Transactions {
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');

  return {
    run(work) {
      try {
        claims.refresh();
        begin.run();
        const result = work();
        claims.write();
        commit.run();
        claims.committed();
        return result;
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        if (claims.rolledBack()) say({ kind: 'claimsReset' });
        throw error;
      }
    },
    alone(id, work) {
      database.exec('SAVEPOINT request');
      try {
        const value = work();
        database.exec('RELEASE request');
        return { id, value };
      } catch (error) {
        const code = sqliteCode(error);
        if (code !== null && !BAD_VALUES.has(code)) throw error;
        database.exec('ROLLBACK TO request; RELEASE request');
        return { id, failure: failureOf(error) };
      }
    },
  };
}

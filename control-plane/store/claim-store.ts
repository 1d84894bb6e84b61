/** Claims: the rules run in memory, what they change is written in the commit that answers them. */
import type { DatabaseSync } from 'node:sqlite';

import { type AddressedAnswer, type ClaimOperation, type ClaimRow, ClaimTable, LEASE_MS } from '#core';

import { integer, type Row, text } from './rows.ts';

export interface ClaimStore {
  /** Applies in memory, in order; nothing may be told before `write` was committed. */
  apply(holder: string, operations: readonly ClaimOperation[]): AddressedAnswer[];
  /** As `apply`, for leases and windows that ended. Looks at every key. */
  expire(): AddressedAnswer[];
  /** Somebody waits for a key: a lease that ends concerns them at once. */
  readonly awaited: boolean;
  forgetWaiters(holder: string): void;
  /** Before a transaction: after one that was rolled back, memory becomes again what is stored. */
  refresh(): void;
  /** Inside a transaction: writes what changed since the last call. */
  write(): void;
  committed(): void;
  /** True: memory had changed, all waiters are gone. */
  rolledBack(): boolean;
  readonly size: number;
}

/** `now`: the store's clock, milliseconds, never going back. */
export function createClaimStore(database: DatabaseSync, now: () => number): ClaimStore {
  const upsert = database.prepare(
    `INSERT INTO claims (fence, key, holder, lease_until, window_until, settled_until) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (fence) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until,
     window_until = excluded.window_until, settled_until = excluded.settled_until`,
  );
  const remove = database.prepare('DELETE FROM claims WHERE fence = ?');
  const saveFence = database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('last_fence', ?)");
  let { table, savedFence } = load(database, now());
  /** Memory against file: `ahead` inside a transaction, `stale` after one that failed. */
  let state: 'same' | 'ahead' | 'stale' = 'same';
  const waiters = createWaiters();

  return {
    apply(holder, operations) {
      state = 'ahead';
      const at = now();
      const answers: AddressedAnswer[] = [];
      for (const operation of operations) {
        if (operation.kind === 'cancel') waiters.forget(holder, operation.acquireId);
        answers.push(...table.apply(holder, operation, at));
      }
      waiters.note(answers);
      return answers;
    },
    expire() {
      state = 'ahead';
      const answers = table.expire(now());
      waiters.note(answers);
      return answers;
    },
    get awaited() {
      return waiters.any();
    },
    forgetWaiters(holder) {
      waiters.forget(holder, null);
      table.forgetWaiters(holder);
    },
    refresh() {
      if (state !== 'stale') return;
      ({ table, savedFence } = load(database, now()));
      waiters.clear();
      state = 'same';
    },
    write() {
      for (const { key, row, storedFence } of table.takeChanges()) {
        if (storedFence !== 0 && storedFence !== row?.fence) remove.run(storedFence);
        if (row) upsert.run(row.fence, key, row.holder, row.leaseUntil, row.windowUntil, row.settledUntil ?? 0);
      }
      if (table.lastFence === savedFence) return;
      saveFence.run(table.lastFence);
      savedFence = table.lastFence;
    },
    committed() {
      state = 'same';
    },
    rolledBack() {
      const reset = state === 'ahead';
      if (reset) state = 'stale';
      return reset;
    },
    get size() {
      return table.size;
    },
  };
}

/** Who was answered `held` and nothing since. */
function createWaiters() {
  const waiting = new Map<string, Set<number>>();
  const forget = (holder: string, id: number | null): void => {
    const ids = waiting.get(holder);
    if (id !== null) ids?.delete(id);
    if (id === null || ids?.size === 0) waiting.delete(holder);
  };
  return {
    any: () => waiting.size > 0,
    clear: () => waiting.clear(),
    forget,
    note(answers: readonly AddressedAnswer[]): void {
      for (const { holder, answer } of answers) {
        if (answer.kind !== 'held') {
          if (waiting.size > 0) forget(holder, answer.id);
        } else waiting.set(holder, (waiting.get(holder) ?? new Set()).add(answer.id));
      }
    },
  };
}

function load(database: DatabaseSync, now: number) {
  const rows: ClaimRow[] = [];
  for (const row of database.prepare('SELECT * FROM claims').iterate()) rows.push(claimOf(row, now));
  const saved = database.prepare("SELECT value FROM meta WHERE name = 'last_fence'").get();
  const savedFence = saved ? integer(saved, 'value') : 0;
  return { table: new ClaimTable(rows, savedFence), savedFence };
}

/**
 * The wall clock may have gone back since the last life of this store: no lease is longer than a whole one. Windows have no
 * such limit, a hook may ask for any.
 */
function claimOf(row: Row, now: number): ClaimRow {
  return {
    fence: integer(row, 'fence'),
    key: text(row, 'key'),
    holder: text(row, 'holder'),
    leaseUntil: Math.min(integer(row, 'lease_until'), now + LEASE_MS),
    windowUntil: integer(row, 'window_until'),
    settledUntil: integer(row, 'settled_until'),
  };
}

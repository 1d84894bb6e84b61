/** What each sidecar last said of itself, and what is stored of it: sequence, and counts that outlive retention. */
import type { DatabaseSync } from 'node:sqlite';

import { AppError, type Ledger, ledgerName, type OutcomeRecord } from '#core';

import type { ResumeRequest } from './messages.ts';
import { createAuditWriter } from './overrides.ts';
import { packLedger, unpackLedger } from './record.ts';
import { bytes, integer, text } from './rows.ts';
import type { NodeLedger } from './types.ts';

const EMPTY: Ledger = { sources: [], hooks: [], outcomeSequence: 0, health: [] };

export interface LedgerWriter {
  /** Sequence up to which this sidecar's outcomes are stored; 0 for an unknown one. */
  storedSequence(sidecarId: string): number;
  /** Inside a transaction: the sequence after which the sidecar goes on. */
  resume(request: ResumeRequest): number;
  /** Inside a transaction: counts new outcomes, moves the sequence on, keeps the newest ledger. */
  write(sidecarId: string, node: string, outcomes: readonly OutcomeRecord[], ledger: Ledger | null): void;
}

/** `now`: wall clock, milliseconds. */
export function createLedgerWriter(database: DatabaseSync, now: () => number): LedgerWriter {
  const upsert = database.prepare(
    `INSERT INTO sidecars (id, node, stored_sequence, updated_ms, record) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
     SET node = excluded.node, stored_sequence = max(stored_sequence, excluded.stored_sequence),
     updated_ms = excluded.updated_ms, record = coalesce(excluded.record, record)`,
  );
  const count = database.prepare(
    `INSERT INTO stored_outcomes (sidecar, hook, outcome, count) VALUES (?, ?, ?, ?)
     ON CONFLICT (sidecar, hook, outcome) DO UPDATE SET count = count + excluded.count`,
  );
  const storedSequence = createSequenceReader(database);
  const skip = database.prepare('UPDATE sidecars SET stored_sequence = ?, missing_until = ? WHERE id = ?');
  const audit = createAuditWriter(database, now);

  return {
    storedSequence,
    resume({ sidecarId, node, acknowledged }) {
      const stored = storedSequence(sidecarId);
      if (acknowledged <= stored) return stored;
      upsert.run(sidecarId, node, stored, now(), null);
      skip.run(acknowledged, acknowledged, sidecarId);
      const detail = `outcomes ${stored + 1} to ${acknowledged} were acknowledged, and are not in this store`;
      audit({ who: 'trotline', act: 'history-missing', subject: `${node} ${sidecarId}`, detail });
      return acknowledged;
    },
    write(sidecarId, node, outcomes, ledger) {
      upsert.run(sidecarId, node, outcomes.at(-1)?.sequence ?? 0, now(), ledger ? packLedger(ledger) : null);
      for (const [hook, names] of Map.groupBy(outcomes, ({ hook }) => hook)) {
        for (const [name, counted] of Map.groupBy(names, ledgerName)) count.run(sidecarId, hook, name, counted.length);
      }
    },
  };
}

function createSequenceReader(database: DatabaseSync): (sidecarId: string) => number {
  const find = database.prepare('SELECT stored_sequence FROM sidecars WHERE id = ?');
  return (sidecarId) => {
    const row = find.get(sidecarId);
    return row ? integer(row, 'stored_sequence') : 0;
  };
}

/** The outcomes after `stored`; MESSAGE_INVALID names the first sequence that is not the one after its predecessor. */
export function newOutcomes(outcomes: readonly OutcomeRecord[], stored: number): OutcomeRecord[] {
  const fresh = outcomes.filter(({ sequence }) => sequence > stored);
  for (const [index, { sequence }] of fresh.entries()) {
    const expected = stored + index + 1;
    if (sequence === expected) continue;
    throw new AppError('MESSAGE_INVALID', `outcome sequence has a hole: expected ${expected}, got ${sequence}`, {
      details: { expected, got: sequence },
    });
  }
  return fresh;
}

export function readLedgers(database: DatabaseSync): NodeLedger[] {
  const stored = readStored(database);
  const rows = database.prepare('SELECT * FROM sidecars ORDER BY node, id').all();
  return rows.map((row) => {
    const sidecarId = text(row, 'id');
    return {
      sidecarId,
      node: text(row, 'node'),
      ledger: row['record'] === null ? EMPTY : unpackLedger(bytes(row, 'record')),
      storedSequence: integer(row, 'stored_sequence'),
      missingUntil: integer(row, 'missing_until'),
      stored: stored.get(sidecarId) ?? {},
      updatedMs: integer(row, 'updated_ms'),
    };
  });
}

function readStored(database: DatabaseSync): Map<string, Record<string, Record<string, number>>> {
  const stored = new Map<string, Record<string, Record<string, number>>>();
  for (const row of database.prepare('SELECT * FROM stored_outcomes').iterate()) {
    const sidecarId = text(row, 'sidecar');
    const hooks = stored.get(sidecarId) ?? {};
    stored.set(sidecarId, hooks);
    (hooks[text(row, 'hook')] ??= {})[text(row, 'outcome')] = integer(row, 'count');
  }
  return stored;
}

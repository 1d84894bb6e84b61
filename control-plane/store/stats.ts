/**
 * Running totals of attempts by hook and node and how long the newest took, in the transaction of their outcomes; retention does
 * not touch them.
 */
import type { DatabaseSync } from 'node:sqlite';

import type { AttemptRecord, OutcomeRecord } from '#core';

import { createAuditWriter } from './overrides.ts';
import type { StatsResetRequest } from './messages.ts';
import { bytes, integer, numberOrNull, type Row, text } from './rows.ts';
import type { HookStats } from './types.ts';

interface Totals {
  executions: number;
  successes: number;
  failures: number;
  timeouts: number;
  /** Of those whose end was seen. */
  durations: number[];
  /** When the newest attempt began. */
  lastAtMs: number;
}

/** Percentiles are those of so many: what a hook takes now, at most 1 KiB for a hook on a node. */
const SAMPLE = 256;

const ADD = `INSERT INTO stats
  (hook, node, executions, successes, failures, timeouts, timed, min_ms, max_ms, total_ms, last_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hook, node) DO UPDATE SET
  executions = executions + excluded.executions, successes = successes + excluded.successes,
  failures = failures + excluded.failures, timeouts = timeouts + excluded.timeouts, timed = timed + excluded.timed,
  min_ms = coalesce(min(min_ms, excluded.min_ms), min_ms, excluded.min_ms),
  max_ms = coalesce(max(max_ms, excluded.max_ms), max_ms, excluded.max_ms),
  total_ms = total_ms + excluded.total_ms, last_at_ms = max(last_at_ms, excluded.last_at_ms)`;

/** Returns what adds new outcomes of a node; call it inside a transaction. */
export function createStatsWriter(database: DatabaseSync): (node: string, outcomes: readonly OutcomeRecord[]) => void {
  const add = database.prepare(ADD);
  const newest = database.prepare('SELECT newest FROM durations WHERE hook = ? AND node = ?');
  const keep = database.prepare('INSERT OR REPLACE INTO durations (hook, node, newest) VALUES (?, ?, ?)');
  return (node, outcomes) => {
    for (const [hook, totals] of totalsByHook(outcomes)) {
      const { executions, successes, failures, timeouts, durations, lastAtMs } = totals;
      const total = durations.reduce((sum, ms) => sum + ms, 0);
      const timed = durations.length;
      const seen = timed > 0;
      const least = seen ? durations.reduce((a, b) => Math.min(a, b)) : null;
      const most = seen ? durations.reduce((a, b) => Math.max(a, b)) : null;
      add.run(hook, node, executions, successes, failures, timeouts, timed, least, most, total, lastAtMs);
      if (!seen) continue;
      const sample = [...sampleOf(newest.get(hook, node)), ...durations].slice(-SAMPLE);
      keep.run(hook, node, new Uint8Array(Float32Array.from(sample).buffer));
    }
  };
}

export function readStats(database: DatabaseSync): HookStats[] {
  const rows = database.prepare('SELECT * FROM stats LEFT JOIN durations USING (hook, node) ORDER BY hook, node').all();
  return rows.map((row) => {
    const executions = integer(row, 'executions');
    const timed = integer(row, 'timed');
    const totalMs = integer(row, 'total_ms');
    const sample = sampleOf(row.newest === null ? undefined : row).toSorted();
    return {
      hook: text(row, 'hook'),
      node: text(row, 'node'),
      executions,
      successes: integer(row, 'successes'),
      failures: integer(row, 'failures'),
      timeouts: integer(row, 'timeouts'),
      minMs: numberOrNull(row, 'min_ms'),
      avgMs: timed === 0 ? null : totalMs / timed,
      maxMs: numberOrNull(row, 'max_ms'),
      totalMs,
      p50Ms: percentile(sample, 0.5),
      p95Ms: percentile(sample, 0.95),
      p99Ms: percentile(sample, 0.99),
      lastAtMs: numberOrNull(row, 'last_at_ms'),
    };
  });
}

/** Returns what forgets the statistics of a hook (null: of all) and writes who did it; call it inside a transaction. */
export function createStatsReset(
  database: DatabaseSync,
  now: () => number,
): (request: StatsResetRequest) => HookStats[] {
  const forget = ['stats', 'durations'].map((table) =>
    database.prepare(`DELETE FROM ${table} WHERE ?1 IS NULL OR hook = ?1`),
  );
  const note = createAuditWriter(database, now);
  return ({ hook, who }) => {
    const forgotten = readStats(database).filter((each) => hook === null || each.hook === hook);
    for (const statement of forget) statement.run(hook);
    const runs = forgotten.reduce((sum, { executions }) => sum + executions, 0);
    note({ who, act: 'reset-stats', subject: hook ?? 'all hooks', detail: `executions: ${runs}` });
    return forgotten;
  };
}

/** Oldest first; empty where nothing is kept. */
function sampleOf(row: Row | undefined): Float32Array {
  // A copy: the column's bytes may begin anywhere in their buffer.
  return row === undefined ? new Float32Array() : new Float32Array(bytes(row, 'newest').slice().buffer);
}

/** By nearest rank, of an ascending sample; to the microsecond, as it was measured. */
function percentile(sample: Float32Array, share: number): number | null {
  const value = sample[Math.ceil(sample.length * share) - 1];
  return value === undefined ? null : Math.round(value * 1000) / 1000;
}

function totalsByHook(outcomes: readonly OutcomeRecord[]): Map<string, Totals> {
  const totals = new Map<string, Totals>();
  for (const { hook, attempts } of outcomes) {
    if (attempts.length === 0) continue;
    const of = totals.get(hook) ?? {
      executions: 0,
      successes: 0,
      failures: 0,
      timeouts: 0,
      durations: [],
      lastAtMs: 0,
    };
    totals.set(hook, of);
    for (const attempt of attempts) count(of, attempt);
  }
  return totals;
}

/** An attempt that a crash cut short counts as a failure: it did not deliver. How long it ran nobody saw. */
function count(totals: Totals, { status, timedOut, durationMs, startedMs }: AttemptRecord): void {
  totals.executions += 1;
  if (timedOut) totals.timeouts += 1;
  else if (status === 'delivered') totals.successes += 1;
  else totals.failures += 1;
  if (status !== 'interrupted' || durationMs > 0) totals.durations.push(durationMs);
  totals.lastAtMs = Math.max(totals.lastAtMs, startedMs);
}

/** Running totals of attempts by hook and node, in the transaction of their outcomes; retention does not touch them. */
import type { DatabaseSync } from 'node:sqlite';

import type { AttemptRecord, OutcomeRecord } from '#core';

import { integer, numberOrNull, text } from './rows.ts';
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

const ADD = `INSERT INTO stats (hook, node, executions, successes, failures, timeouts, min_ms, max_ms, total_ms, last_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hook, node) DO UPDATE SET
  executions = executions + excluded.executions, successes = successes + excluded.successes,
  failures = failures + excluded.failures, timeouts = timeouts + excluded.timeouts,
  min_ms = coalesce(min(min_ms, excluded.min_ms), min_ms, excluded.min_ms),
  max_ms = coalesce(max(max_ms, excluded.max_ms), max_ms, excluded.max_ms),
  total_ms = total_ms + excluded.total_ms, last_at_ms = max(last_at_ms, excluded.last_at_ms)`;

/** Returns what adds new outcomes of a node; call it inside a transaction. */
export function createStatsWriter(database: DatabaseSync): (node: string, outcomes: readonly OutcomeRecord[]) => void {
  const add = database.prepare(ADD);
  return (node, outcomes) => {
    for (const [hook, totals] of totalsByHook(outcomes)) {
      const { executions, successes, failures, timeouts, durations, lastAtMs } = totals;
      const total = durations.reduce((sum, ms) => sum + ms, 0);
      const seen = durations.length > 0;
      const least = seen ? durations.reduce((a, b) => Math.min(a, b)) : null;
      const most = seen ? durations.reduce((a, b) => Math.max(a, b)) : null;
      add.run(hook, node, executions, successes, failures, timeouts, least, most, total, lastAtMs);
    }
  };
}

export function readStats(database: DatabaseSync): HookStats[] {
  const rows = database.prepare('SELECT * FROM stats ORDER BY hook, node').all();
  return rows.map((row) => {
    const executions = integer(row, 'executions');
    const totalMs = integer(row, 'total_ms');
    return {
      hook: text(row, 'hook'),
      node: text(row, 'node'),
      executions,
      successes: integer(row, 'successes'),
      failures: integer(row, 'failures'),
      timeouts: integer(row, 'timeouts'),
      minMs: numberOrNull(row, 'min_ms'),
      avgMs: executions === 0 ? null : totalMs / executions,
      maxMs: numberOrNull(row, 'max_ms'),
      totalMs,
      lastAtMs: numberOrNull(row, 'last_at_ms'),
    };
  });
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

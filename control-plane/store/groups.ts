/** Incidents of many events: who belongs to them, and how many a hook has opened (`spec.group`). */
import type { DatabaseSync } from 'node:sqlite';

import { durationText } from '#core';

import { createAuditWriter } from './overrides.ts';
import { integer, numberOrNull, text } from './rows.ts';
import type { Joined, Joining, Members } from './types.ts';

/** How long an incident that nobody answered takes members. */
const UNANSWERED_MS = 3_600_000;
/** Members that are kept, and those that are told. Beyond, an incident only stays open. */
const MOST_KEPT = 1_000;
const MOST_TOLD = 100;

export interface Groups {
  /** Inside a transaction. */
  join(joining: Joining): Joined;
  members(key: string): Members;
  /** Inside a transaction. */
  end(incident: { readonly key: string; readonly windowMs: number }): null;
  /** Inside a transaction: deletes what has ended. */
  prune(): void;
}

/** `now`: the store's clock, milliseconds, never going back. */
export function createGroups(database: DatabaseSync, now: () => number): Groups {
  const find = database.prepare('SELECT members FROM incidents WHERE key = ? AND ends_ms > ?');
  const open = database.prepare('INSERT OR REPLACE INTO incidents (key, members, ends_ms) VALUES (?, 0, ?)');
  const grow = database.prepare('UPDATE incidents SET members = members + 1 WHERE key = ?');
  const setEnd = database.prepare('UPDATE incidents SET ends_ms = ? WHERE key = ?');
  const add = database.prepare('INSERT OR IGNORE INTO members (key, member, joined_ms) VALUES (?, ?, ?)');
  const forget = database.prepare('DELETE FROM members WHERE key = ?');
  const list = database.prepare('SELECT member FROM members WHERE key = ? ORDER BY joined_ms, member LIMIT ?');
  const note = database.prepare('INSERT INTO openings (budget, opened_ms, until_ms) VALUES (?, ?, ?)');
  const opened = database.prepare(
    'SELECT count(*) AS count, min(opened_ms) AS first FROM openings WHERE budget = ? AND opened_ms > ?',
  );
  const endMembers = database.prepare(
    'DELETE FROM members WHERE key IN (SELECT key FROM incidents WHERE ends_ms <= ?)',
  );
  const endIncidents = database.prepare('DELETE FROM incidents WHERE ends_ms <= ?');
  const endOpenings = database.prepare('DELETE FROM openings WHERE until_ms <= ?');
  const audit = createAuditWriter(database, Date.now);
  /** By budget: until when its limit was said. */
  const said = new Map<string, number>();

  const openedSince = (budget: string, since: number): { count: number; first: number } => {
    const found = opened.get(budget, since) ?? {};
    return { count: integer(found, 'count'), first: numberOrNull(found, 'first') ?? 0 };
  };
  const say = (
    budget: string,
    { incidents, perMs }: NonNullable<Joining['limit']>,
    at: number,
    first: number,
  ): void => {
    if ((said.get(budget) ?? 0) > at) return;
    const until = first + perMs;
    const rule = `${incidents} incidents in ${durationText(perMs)}`;
    const detail = `${rule}: events that would begin another are dropped until ${new Date(until).toISOString()}`;
    audit({ who: 'trotline', act: 'incident-limit', subject: budget, detail });
    said.set(budget, until);
  };

  return {
    join({ key, budget, member, limit }) {
      const at = now();
      const found = find.get(key, at);
      const before = limit ? openedSince(budget, at - limit.perMs) : { count: 0, first: 0 };
      if (!found) {
        if (limit && before.count >= limit.incidents) {
          say(budget, limit, at, before.first);
          return { limited: true, opened: before.count };
        }
        forget.run(key);
        open.run(key, at + UNANSWERED_MS);
        if (limit) note.run(budget, at, at + limit.perMs);
      }
      const members = found ? integer(found, 'members') : 0;
      if (members < MOST_KEPT && add.run(key, member, at).changes > 0) grow.run(key);
      return { limited: false, opened: before.count + (limit && !found ? 1 : 0) };
    },
    members(key) {
      const found = find.get(key, now());
      if (!found) return { count: 0, members: [] };
      return { count: integer(found, 'members'), members: list.all(key, MOST_TOLD).map((row) => text(row, 'member')) };
    },
    end({ key, windowMs }) {
      setEnd.run(now() + windowMs, key);
      return null;
    },
    prune() {
      const at = now();
      endMembers.run(at);
      endIncidents.run(at);
      endOpenings.run(at);
      for (const [budget, until] of said) if (until <= at) said.delete(budget);
    },
  };
}

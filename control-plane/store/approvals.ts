/** Questions that wait for a person, and what became of them. */
import type { DatabaseSync } from 'node:sqlite';

import { AppError, OWN_NAMESPACE } from '#core';

import { createAuditWriter } from './overrides.ts';
import { integer, numberOrNull, type Row, text } from './rows.ts';
import { APPROVAL_STATES, type Approval, type ApprovalQuery, type ApprovalRequest, type Settling } from './types.ts';

/** Who lets questions end by themselves. */
const OURSELVES = 'trotline';
/** Questions that may wait at a time; more are refused, and their agents are told no. */
const MOST_PENDING = 1000;
/** Of one hook that is not the administrator's: its agents leave room for those of others. */
const MOST_OF_A_HOOK = 250;

export interface Approvals {
  /** Inside a transaction. Asked again, it is the question as it stands. */
  ask(request: ApprovalRequest): Approval;
  /** Inside a transaction. Throws NOT_FOUND; STATE_ILLEGAL for a question that has its answer. */
  settle(settling: Settling): Approval;
  /** Inside a transaction: ends what nobody answered in time, deletes what is older than `maxAgeMs`. */
  prune(maxAgeMs: number): void;
}

export function createApprovals(database: DatabaseSync, now: () => number): Approvals {
  const insert = database.prepare(
    `INSERT OR IGNORE INTO approvals (id, hook, node, asked, created_ms, expires_ms, state, who, why, settled_ms)
     VALUES (?, ?, ?, ?, ?, ?, 'pending', '', '', NULL)`,
  );
  const find = database.prepare('SELECT * FROM approvals WHERE id = ?');
  const update = database.prepare('UPDATE approvals SET state = ?, who = ?, why = ?, settled_ms = ? WHERE id = ?');
  const late = database.prepare("SELECT id FROM approvals WHERE state = 'pending' AND expires_ms <= ?");
  const waiting = database.prepare(
    "SELECT count(*) AS count, count(*) FILTER (WHERE hook = ?) AS own FROM approvals WHERE state = 'pending' AND expires_ms > ?",
  );
  const forget = database.prepare('DELETE FROM approvals WHERE created_ms < ?');
  const audit = createAuditWriter(database, now);

  const get = (id: string): Approval => {
    const row = find.get(id);
    if (!row) throw new AppError('NOT_FOUND', `there is no approval with the id "${id}"`);
    return approvalIn(row, now());
  };
  const write = ({ id, state, who, why }: Settling, { asked, hook }: Approval): void => {
    update.run(state, who, why, now(), id);
    const detail = `${asked.text}${why === '' ? '' : `: ${why}`}`;
    audit({ who, act: `approval-${state}`, subject: `${hook} ${id}`, detail });
  };
  const expire = (approval: Approval): void =>
    write({ id: approval.id, state: 'expired', who: OURSELVES, why: 'nobody answered in time' }, approval);

  return {
    ask({ id, hook, node, asked, waitMs }) {
      const at = now();
      if (!find.get(id)) makeSureOfRoom(waiting.get(hook, at) ?? {}, hook);
      insert.run(id, hook, node, JSON.stringify(asked), at, at + waitMs);
      return ofNode(get(id), node);
    },
    settle(settling) {
      const approval = ofNode(get(settling.id), settling.node);
      if (approval.state !== 'pending')
        throw new AppError('STATE_ILLEGAL', `approval ${settling.id} is ${approval.state} already${byWhom(approval)}`);
      write(settling, approval);
      return get(settling.id);
    },
    prune(maxAgeMs) {
      for (const row of late.all(now())) expire(get(text(row, 'id')));
      forget.run(now() - maxAgeMs);
    },
  };
}

function makeSureOfRoom(row: Row, hook: string): void {
  if (integer(row, 'count') >= MOST_PENDING)
    throw new AppError('STATE_ILLEGAL', `${MOST_PENDING} approvals wait already, no more are taken`);
  if (!hook.startsWith(`${OWN_NAMESPACE}/`) && integer(row, 'own') >= MOST_OF_A_HOOK)
    throw new AppError('STATE_ILLEGAL', `${MOST_OF_A_HOOK} approvals of ${hook} wait already, no more are taken`);
}

/** What one node asked is nothing to another. */
function ofNode(approval: Approval, node: string | undefined): Approval {
  if (node === undefined || approval.node === node) return approval;
  throw new AppError('NOT_FOUND', `there is no approval with the id "${approval.id}" of node ${node}`);
}

function byWhom({ who }: Approval): string {
  return who === '' || who === OURSELVES ? '' : ` by ${who}`;
}

/** The oldest first: it waits longest. */
export function readApprovals(database: DatabaseSync, { state, limit }: ApprovalQuery, at: number): Approval[] {
  const rows = database.prepare('SELECT * FROM approvals ORDER BY created_ms, id').all();
  const all = rows.map((row) => approvalIn(row, at));
  const chosen = state === null ? all : all.filter((approval) => approval.state === state);
  return chosen.slice(-limit);
}

function approvalIn(row: Row, at: number): Approval {
  const stored = text(row, 'state');
  const expiresMs = integer(row, 'expires_ms');
  const state = APPROVAL_STATES.find((known) => known === stored) ?? 'expired';
  return {
    id: text(row, 'id'),
    hook: text(row, 'hook'),
    node: text(row, 'node'),
    // Written by this file alone.
    asked: JSON.parse(text(row, 'asked')),
    createdMs: integer(row, 'created_ms'),
    expiresMs,
    state: state === 'pending' && expiresMs <= at ? 'expired' : state,
    who: text(row, 'who'),
    why: text(row, 'why'),
    settledMs: numberOrNull(row, 'settled_ms'),
  };
}

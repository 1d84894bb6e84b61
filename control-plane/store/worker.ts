/** The writing thread: one transaction for all that arrived since the last; answers leave after its commit. */
import type { ClaimOperation } from '#core';
import { decodeClaimOperations } from '#proto';

import { createApprovals } from './approvals.ts';
import { responsesTo } from './claim-responses.ts';
import { createClaimStore } from './claim-store.ts';
import { openWriter } from './database.ts';
import { createGroups } from './groups.ts';
import { createHistoryWriter } from './history.ts';
import { createLedgerWriter, newOutcomes } from './ledger.ts';
import {
  type ClaimCall,
  failureOf,
  type Reply,
  type ReportRequest,
  type RequestOf,
  type Stored,
  type WriterCalls,
} from './messages.ts';
import { createAuditWriter, createOverrideWriter } from './overrides.ts';
import { createRetention } from './retention.ts';
import { createSessions } from './sessions.ts';
import { createStatsReset, createStatsWriter } from './stats.ts';
import { serve } from './thread.ts';
import { createTransactions } from './transaction.ts';
import { startUpkeep } from './upkeep.ts';

type Request = RequestOf<WriterCalls>;

serve(({ path, retention }, say) => {
  const { database, close } = openWriter(path);
  const now = storeClock();
  const claims = createClaimStore(database, now);
  const groups = createGroups(database, now);
  const sessions = createSessions(database, Date.now);
  const history = createHistoryWriter(database, sessions, Date.now);
  const addStats = createStatsWriter(database);
  const resetStats = createStatsReset(database, Date.now);
  const ledger = createLedgerWriter(database, Date.now);
  const approvals = createApprovals(database, now);
  const setOverride = createOverrideWriter(database, Date.now);
  const note = createAuditWriter(database, Date.now);
  const transactions = createTransactions(database, claims, say);
  const pruneHistory = createRetention(database, retention, Date.now, (upTo) => sessions.deleted(upTo));
  const prune = (): boolean => {
    groups.prune();
    for (const part of [approvals, sessions]) part.prune(retention.maxAgeMs);
    return pruneHistory();
  };
  const endUpkeep = startUpkeep({ transactions, claims, prune, pruneEveryMs: retention.everyMs, say });

  const report = ({ sidecarId, node, batch }: ReportRequest): Stored => {
    const outcomes = newOutcomes(batch.outcomes, ledger.storedSequence(sidecarId));
    const newEvents = history.write(batch, outcomes);
    addStats(node, outcomes);
    ledger.write(sidecarId, node, outcomes, batch.ledger);
    return { sequence: ledger.storedSequence(sidecarId), newEvents, newOutcomes: outcomes.length };
  };

  const claim = (id: number, { holder, request }: ClaimCall): Reply => {
    let operations: readonly ClaimOperation[];
    try {
      operations = decodeClaimOperations(request);
    } catch (error) {
      return { id, failure: failureOf(error) };
    }
    return { id, value: responsesTo(claims.apply(holder, operations)) };
  };

  const answer = (asked: Request): Reply => {
    const { id } = asked;
    switch (asked.kind) {
      case 'claim':
        return claim(id, asked.request);
      case 'forgetWaiters':
        return { id, value: claims.forgetWaiters(asked.request) };
      case 'join':
        return transactions.alone(id, () => groups.join(asked.request));
      case 'members':
        return { id, value: groups.members(asked.request) };
      case 'endIncident':
        return transactions.alone(id, () => groups.end(asked.request));
      case 'report':
        return transactions.alone(id, () => report(asked.request));
      case 'resumeReports':
        return transactions.alone(id, () => ledger.resume(asked.request));
      case 'setOverride':
        return transactions.alone(id, () => setOverride(asked.request));
      case 'askApproval':
        return transactions.alone(id, () => approvals.ask(asked.request));
      case 'settleApproval':
        return transactions.alone(id, () => approvals.settle(asked.request));
      case 'summarise':
        return transactions.alone(id, () => sessions.summarise());
      case 'forgetSession':
        return transactions.alone(id, () => sessions.forget(asked.request));
      case 'note':
        return transactions.alone(id, () => note(asked.request));
      case 'resetStats':
        return transactions.alone(id, () => resetStats(asked.request));
      default:
        return { id, value: null };
    }
  };

  const commitAll = (requests: readonly Request[]): Reply[] => {
    try {
      return transactions.run(() => requests.map(answer));
    } catch (error) {
      const failure = failureOf(error);
      return requests.map(({ id }) => ({ id, failure }));
    }
  };

  return (requests: readonly Request[]) => {
    const replies = commitAll(requests);
    if (requests.some(({ kind }) => kind === 'checkpoint')) database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    if (requests.some(({ kind }) => kind === 'close')) {
      endUpkeep();
      close();
    }
    return replies;
  };
});

/** Wall clock at start plus what the monotonic clock counted since: a step of the wall clock changes no lease. */
function storeClock(): () => number {
  const offset = Date.now() - performance.now();
  return () => offset + performance.now();
}

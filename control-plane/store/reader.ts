/** The reading thread: queries, and checkpoints on a connection of their own so that no commit waits for the disk. */
import { errorText } from '#core';

import { readApprovals } from './approvals.ts';
import { openReader } from './database.ts';
import { readLedgers } from './ledger.ts';
import { failureOf, type ReaderCalls, type RequestOf } from './messages.ts';
import { readAudit, readOverrides } from './overrides.ts';
import { createHistoryReader } from './query.ts';
import { integer } from './rows.ts';
import { readSession, readSessions } from './sessions.ts';
import { readStats } from './stats.ts';
import { serve } from './thread.ts';

type Request = RequestOf<ReaderCalls>;

const CHECKPOINT_EVERY_MS = 250;
/** Pages (16 MiB) in the write-ahead log from which on the writer is asked to finish, so that the log starts anew. */
const LONG_LOG = 4_096;

serve(({ path }, say) => {
  const { database, close } = openReader(path);
  const history = createHistoryReader(database);
  const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)');

  const timer = setInterval(() => {
    try {
      if (integer(checkpoint.get() ?? {}, 'log') > LONG_LOG) say({ kind: 'walGrew' });
    } catch (error) {
      say({ kind: 'trouble', what: 'checkpoint', error: errorText(error) });
    }
  }, CHECKPOINT_EVERY_MS);

  const answer = (request: Request): unknown => {
    switch (request.kind) {
      case 'events':
        return history.events(request.request);
      case 'event':
        return history.event(request.request);
      case 'summaries':
        return history.summaries(request.request);
      case 'stats':
        return readStats(database);
      case 'ledger':
        return readLedgers(database);
      case 'overrides':
        return readOverrides(database);
      case 'audit':
        return readAudit(database, request.request);
      case 'sessions':
        return readSessions(database, request.request);
      case 'session':
        return readSession(database, request.request);
      case 'approvals':
        return readApprovals(database, request.request, Date.now());
      default:
        clearInterval(timer);
        close();
        return null;
    }
  };

  return (requests: readonly Request[]) =>
    requests.map((request) => {
      try {
        return { id: request.id, value: answer(request) };
      } catch (error) {
        return { id: request.id, failure: failureOf(error) };
      }
    });
});

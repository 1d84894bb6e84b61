/** The store as the main thread sees it; the work is done by a writing and a reading thread. */
import { AppError, errorText, type Log, type ReportBatch } from '#core';

import { type Channel, openChannel, type Unasked } from './channel.ts';
import type { ReaderCalls, Stored, WriterCalls } from './messages.ts';
import { createPending } from './pending.ts';
import { DEFAULT_RETENTION, type Retention } from './retention.ts';
import type { ClaimResponseOf, EventSummary, News, Store } from './types.ts';

export interface StoreOptions {
  /** The database's file; its folder is made when missing. Beside it: `-wal`, `-shm` and `.lock`. */
  readonly path: string;
  readonly log: Log;
  readonly retention?: Partial<Retention>;
}

/** Opens on `start`, which rejects with STORE_FAILED: in use, damaged, of a newer program, or not to be opened. */
export function createStore({ path, log, retention }: StoreOptions): Store {
  const pending = createPending(Date.now);
  const tails = new Set<(summary: EventSummary) => void>();
  let writer: Channel<WriterCalls> | null = null;
  let reader: Channel<ReaderCalls> | null = null;
  let onAnswers: (responses: readonly ClaimResponseOf[]) => void = () => undefined;
  let onReset: () => void = () => undefined;
  let onNews: (news: News) => void = () => undefined;

  const write = (): Channel<WriterCalls> => opened(writer);
  const read = (): Channel<ReaderCalls> => opened(reader);
  const unasked = (message: Unasked): void => {
    if (message.kind === 'claimAnswers') onAnswers(message.responses);
    else if (message.kind === 'claimsReset') onReset();
    else if (message.kind === 'trouble') log.error({ what: message.what, error: message.error }, 'store is in trouble');
    else
      writer
        ?.call('checkpoint', null)
        .catch((error: unknown) => log.error({ error: errorText(error) }, 'checkpoint failed'));
  };
  const tell = async (batch: ReportBatch): Promise<void> => {
    if (tails.size === 0) return;
    const ids = new Set([...batch.outcomes, ...batch.progress].map(({ eventId }) => eventId));
    for (const summary of await read().call('summaries', [...ids])) {
      for (const listener of tails) listener(pending.merge(summary));
    }
  };
  const tellNews = ({ events, outcomes }: ReportBatch, { newEvents, newOutcomes }: Stored): void => {
    const chosen = new Set(newEvents);
    try {
      onNews({
        events: events.filter((_, index) => chosen.has(index)),
        outcomes: newOutcomes === 0 ? [] : outcomes.slice(-newOutcomes),
      });
    } catch (error) {
      log.error({ error: errorText(error) }, 'news could not be told');
    }
  };

  return {
    ...callsOf(write, read),
    async start() {
      const options = { path, retention: { ...DEFAULT_RETENTION, ...retention } };
      writer = await openChannel<WriterCalls>('worker', options, unasked);
      reader = await openChannel<ReaderCalls>('reader', options, unasked);
    },
    /** The writer closes last: it writes the log back and lets go of the lock. */
    async stop() {
      const [openReader, openWriter] = [reader, writer];
      reader = null;
      writer = null;
      await openReader?.call('close', null).catch(() => undefined);
      await openReader?.end();
      await openWriter?.call('close', null).catch(() => undefined);
      await openWriter?.end();
    },
    claim: async (holder, request) => write().call('claim', { holder, request: new Uint8Array(request) }),
    onClaimAnswers(listener) {
      onAnswers = listener;
    },
    onClaimsReset(listener) {
      onReset = listener;
    },
    async report(sidecarId, node, batch) {
      const stored = await write().call('report', { sidecarId, node, batch });
      pending.update(batch);
      tellNews(batch, stored);
      tell(batch).catch((error: unknown) => log.error({ error: errorText(error) }, 'tail failed'));
      return stored.sequence;
    },
    async events(query) {
      const summaries = await read().call('events', { ...query, alsoIds: pending.idsOf(query) });
      return summaries.map((summary) => pending.merge(summary));
    },
    async event(id) {
      const found = await read().call('event', id);
      return found && pending.merge(found);
    },
    subscribe(listener) {
      tails.add(listener);
      return () => void tails.delete(listener);
    },
    onNews(listener) {
      onNews = listener;
    },
  };
}

/** Everything that is one call of a thread. */
function callsOf(write: () => Channel<WriterCalls>, read: () => Channel<ReaderCalls>) {
  return {
    // As short as `claim`, so that the answers of both arrive in the order of the store.
    forgetWaiters: async (holder) => write().call('forgetWaiters', holder),
    join: async (joining) => write().call('join', joining),
    members: async (key) => write().call('members', key),
    async endIncident(key, windowMs) {
      await write().call('endIncident', { key, windowMs });
    },
    resumeReports: async (sidecarId, node, acknowledged) =>
      write().call('resumeReports', { sidecarId, node, acknowledged }),
    stats: async () => read().call('stats', null),
    resetStats: async (hook, who) => write().call('resetStats', { hook, who }),
    ledger: async () => read().call('ledger', null),
    overrides: async () => read().call('overrides', null),
    async setOverride(hook, enabled, who) {
      await write().call('setOverride', { hook, enabled, who });
    },
    audit: async (limit) => read().call('audit', limit),
    askApproval: async (request) => write().call('askApproval', request),
    settleApproval: async (settling) => write().call('settleApproval', settling),
    approvals: async (query) => read().call('approvals', query),
    sessions: async (limit) => read().call('sessions', limit),
    session: async (session) => read().call('session', session),
    async summarise() {
      while (await write().call('summarise', null));
    },
    forgetSession: async (forgetting) => write().call('forgetSession', forgetting),
    async note(record) {
      await write().call('note', record);
    },
  } satisfies Partial<Store>;
}

function opened<T>(channel: T | null): T {
  if (channel === null) throw new AppError('STATE_ILLEGAL', 'store is not open');
  return channel;
}

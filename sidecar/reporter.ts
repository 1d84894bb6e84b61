import {
  ATTRIBUTE,
  type AttemptRecord,
  type Clock,
  type Component,
  errorText,
  type Ledger,
  type Log,
  type OutcomeRecord,
  type ProgressRecord,
  SPAN,
  startSpan,
  type TrotlineEvent,
} from '#core';
import { convert, type PublishRequest, type PublishResponse, ReportServiceClient } from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, StreamLink } from './control-link.ts';
import type { Entry } from './journal/entry.ts';
import type { Journal } from './journal/journal.ts';

/** Outcomes in one request, and sent without an acknowledgement. */
const BATCH = 200;
/** Bytes of one request, as the journal has them: beyond, the rest waits for the next. The control plane takes 16 MiB. */
const BATCH_BYTES = 1 << 20;
/** An outcome beyond this goes without the outputs of its attempts. */
const OUTCOME_BYTES = 4 << 20;
const UNACKNOWLEDGED = 4000;
const LEDGER_MS = 1000;
/** Pending entries of which the newest word is kept, to tell a control plane that was away. */
const KEPT_PROGRESS = 2000;

export interface ReporterOptions {
  readonly channel: Channel;
  readonly sidecarId: string;
  readonly node: string;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** The newest ledger; asked once a second and with the last report. */
  readonly ledger: () => Ledger;
}

interface Progress {
  readonly entry: Entry;
  readonly attempts: readonly AttemptRecord[];
  readonly waitsFor: string;
  readonly nextAttemptMs: number;
}

/** Tells the control plane outcomes in sequence until each is acknowledged, and beside them progress and the ledger. */
export class Reporter implements Component {
  readonly #options: ReporterOptions;
  readonly #service: ReportServiceClient;
  readonly #link: StreamLink<PublishRequest, PublishResponse>;
  readonly #progress = new Map<Entry, Progress>();
  /** Those of `#progress` that the control plane has not heard. */
  readonly #untold = new Set<Entry>();
  #sent = 0;
  #ready = false;
  #sending = false;
  #wanted = false;
  #lastLedger = '';
  #ledgerDue = true;
  #ticker: NodeJS.Timeout | null = null;
  #drained: (() => void) | null = null;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#service = new ReportServiceClient(options.channel.address, options.channel.credentials, CHANNEL_OPTIONS);
    this.#link = new StreamLink(
      'reports',
      {
        open: (metadata) => this.#service.publish(metadata),
        onOpen: (send) =>
          void send(convert.reportToProto(NOTHING, options.sidecarId, options.node, options.journal.ackedSequence)),
        onMessage: ({ storedSequence }) => this.#acknowledged(Number(storedSequence)),
        onLost: () => this.#lost(),
      },
      options.clock,
      options.log,
    );
  }

  start(): Promise<void> {
    this.#link.start();
    this.#ticker = setInterval(() => {
      this.#ledgerDue = true;
      this.notify();
    }, LEDGER_MS).unref();
    return Promise.resolve();
  }

  /** Until everything is acknowledged; without a control plane it does not wait: the journal keeps the rest. */
  async drain(deadline: AbortSignal): Promise<void> {
    if (!this.#ready) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      this.#ledgerDue = true;
      deadline.addEventListener('abort', () => resolve(), { once: true });
      this.notify();
    });
  }

  async stop(): Promise<void> {
    if (this.#ticker) clearInterval(this.#ticker);
    await this.#link.stop();
    this.#service.close();
  }

  /** There is something to tell. */
  readonly notify = (): void => {
    this.#wanted = true;
    if (this.#sending || !this.#ready) return;
    this.#sending = true;
    setImmediate(() => {
      this.#sendAll()
        .catch((error: unknown) => this.#options.log.error({ error: errorText(error) }, 'report failed'))
        .finally(() => (this.#sending = false));
    });
  };

  /** How a pending entry stands; the newest word wins. */
  readonly progress = (
    entry: Entry,
    attempts: readonly AttemptRecord[],
    waitsFor: string,
    nextAttemptMs: number,
  ): void => {
    this.#progress.delete(entry);
    this.#progress.set(entry, { entry, attempts: [...attempts], waitsFor, nextAttemptMs });
    this.#untold.add(entry);
    if (this.#progress.size > KEPT_PROGRESS) this.#forgetProgress();
    this.notify();
  };

  async #sendAll(): Promise<void> {
    while (this.#wanted && this.#ready) {
      this.#wanted = false;
      for (;;) {
        const { journal } = this.#options;
        const room = UNACKNOWLEDGED - (this.#sent - journal.ackedSequence);
        const entries = room > 0 ? firstBytes(journal.unreported(this.#sent, Math.min(BATCH, room))) : [];
        if (!(await this.#send(entries))) break;
        await this.#link.drained();
      }
    }
    this.#checkDrained();
  }

  /** False when there was nothing to send. */
  async #send(entries: readonly Entry[]): Promise<boolean> {
    const { journal } = this.#options;
    const pending = this.#untoldProgress();
    const ledger = this.#changedLedger();
    if (entries.length === 0 && pending.length === 0 && ledger === null) return false;
    const events = new Map<string, TrotlineEvent>();
    for (const entry of [...entries, ...pending.map(({ entry }) => entry)]) {
      if (!events.has(entry.eventId)) events.set(entry.eventId, await journal.event(entry));
    }
    // What is told is durable here: after a crash it must not get another sequence and be counted twice.
    if (entries.length > 0) await journal.flush();
    const outcomes = await Promise.all(entries.map(async (entry) => fitting(await journal.outcome(entry), entry)));
    if (!this.#ready) return false;
    const spans = outcomes.map(({ eventId, hook }) =>
      startSpan(
        SPAN.report,
        { [ATTRIBUTE.eventId]: eventId, [ATTRIBUTE.hook]: hook },
        events.get(eventId)?.traceparent,
      ),
    );
    const progress = pending.map(progressRecord);
    this.#link.send(convert.reportToProto({ events: [...events.values()], outcomes, progress, ledger }, '', ''));
    this.#sent = outcomes.at(-1)?.sequence ?? this.#sent;
    for (const span of spans) span.end();
    return entries.length + pending.length > 0;
  }

  #untoldProgress(): Progress[] {
    const found: Progress[] = [];
    let bytes = 0;
    for (const entry of this.#untold) {
      if (found.length === BATCH || bytes > BATCH_BYTES) break;
      this.#untold.delete(entry);
      const progress = this.#progress.get(entry);
      if (!progress || entry.sequence !== 0) {
        this.#progress.delete(entry);
        continue;
      }
      found.push(progress);
      bytes += entry.position.length + outputLength(progress.attempts);
    }
    return found;
  }

  /** What is final needs no progress; after that the oldest word goes. */
  #forgetProgress(): void {
    for (const entry of this.#progress.keys()) {
      if (entry.sequence !== 0 || this.#progress.size > KEPT_PROGRESS) this.#progress.delete(entry);
    }
  }

  /** Once a second and with the last report. */
  #changedLedger(): Ledger | null {
    if (!this.#ledgerDue) return null;
    this.#ledgerDue = false;
    const ledger = this.#options.ledger();
    const text = JSON.stringify(ledger);
    if (text === this.#lastLedger) return null;
    this.#lastLedger = text;
    return ledger;
  }

  /** The first message of a stream says where the control plane stands: from there everything is sent again. */
  #acknowledged(sequence: number): void {
    const { journal } = this.#options;
    if (!this.#ready) {
      this.#ready = true;
      journal.skipTo(sequence);
      this.#sent = Math.max(sequence, journal.ackedSequence);
      this.#lastLedger = '';
      this.#ledgerDue = true;
      for (const entry of this.#progress.keys()) this.#untold.add(entry);
    }
    journal.acknowledged(sequence);
    this.notify();
    this.#checkDrained();
  }

  #lost(): void {
    this.#ready = false;
    this.#drained?.();
  }

  #checkDrained(): void {
    const { journal } = this.#options;
    if (journal.ackedSequence === journal.lastSequence && !this.#wanted) this.#drained?.();
  }
}

/** The first of them, one at least, that fit into a request. */
function firstBytes(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex(({ position, finalPosition }, index) => {
    bytes += position.length + (finalPosition?.length ?? 0);
    return index > 0 && bytes > BATCH_BYTES;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

function fitting(outcome: OutcomeRecord, { finalPosition }: Entry): OutcomeRecord {
  if (finalPosition === null || finalPosition.length <= OUTCOME_BYTES) return outcome;
  const attempts = outcome.attempts.map((attempt) => Object.assign({}, attempt, { output: '' }));
  return { ...outcome, reason: `${outcome.reason} (outputs left out: ${finalPosition.length} bytes)`.trim(), attempts };
}

function outputLength(attempts: readonly AttemptRecord[]): number {
  return attempts.reduce((sum, { output }) => sum + output.length, 0);
}

const NOTHING = { events: [], outcomes: [], progress: [], ledger: null };

function progressRecord({ entry, attempts, waitsFor, nextAttemptMs }: Progress): ProgressRecord {
  return { eventId: entry.eventId, hook: entry.hook, attempts, waitsFor, nextAttemptMs };
}

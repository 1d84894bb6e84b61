import { randomBytes } from 'node:crypto';

import {
  AppError,
  type AttemptRecord,
  type ClaimRow,
  type Clock,
  type Component,
  errorText,
  type HookLedger,
  type Log,
  type OutcomeRecord,
  type SourceHealth,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import type { BootClock, Moment } from '../boottime.ts';
import { wholeAttempt } from './attempts.ts';
import { compact } from './compaction.ts';
import type { Entry } from './entry.ts';
import {
  decodeRecord,
  encodeRecord,
  type JournalRecord,
  type RememberedRecord,
  type StartedRecord,
} from './records.ts';
import { damageEvent, findGaps } from './repair.ts';
import { type Position, SegmentLog, type SegmentLogOptions } from './segment-log.ts';
import { JournalState, type KeptClaim } from './state.ts';

export interface JournalOptions extends SegmentLogOptions {
  /** At this size on disk nothing new is taken in: `lost(journal-full)`. */
  readonly maxBytes: number;
  /** The same for so many live entries and windows; 200,000 by default, some 500 bytes of memory each. */
  readonly maxLive?: number;
  /** The same for the memory that attempts of pending entries take; 64 MiB by default. */
  readonly maxAttemptBytes?: number;
  readonly node: string;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly log: Log;
}

const MAX_LIVE = 200_000;
const MAX_ATTEMPT_BYTES = 64 << 20;

/**
 * What the node owes: every routed event until its outcome is final and reported. Each method appends at once and
 * resolves when the record is durable; the in-memory state follows the records and nothing else.
 */
export class Journal implements Component {
  readonly #log: SegmentLog;
  readonly #options: JournalOptions;
  readonly #state = new JournalState();
  #compacting: Promise<void> | null = null;
  #damage: string | null = null;

  constructor(options: JournalOptions) {
    this.#log = new SegmentLog(options);
    this.#options = options;
  }

  /** Replays what a former process left; then `pending` holds it. */
  async start(): Promise<void> {
    const damages = await this.#log.open(
      (payload, position) => void this.#state.apply(decodeRecord(payload), position),
    );
    const gaps = findGaps(this.#state);
    if (damages.length > 0 || gaps.length > 0) {
      const bytes = damages.reduce((sum, damage) => sum + damage.bytes, 0);
      this.#damage = `the journal was damaged: ${bytes} bytes unreadable, ${gaps.length} outcomes lost`;
      this.#options.log.error({ bytes, lost: gaps.length }, 'journal was damaged');
    }
    this.#append(this.#state.head());
    this.#fill(gaps);
    await this.#log.flush();
    this.#tidy();
  }

  async stop(): Promise<void> {
    this.#log.hurry();
    await this.#compacting;
    await this.#log.close();
  }

  /** The process is about to end: a failing disk holds nobody up any more. */
  hurry(): void {
    this.#log.hurry();
  }

  /** Why nothing new can be taken: `journal-full`, `journal-failing`; null: it can. */
  get refusing(): 'journal-failing' | 'journal-full' | null {
    if (this.#log.failing !== null) return 'journal-failing';
    const { maxBytes, maxLive = MAX_LIVE, maxAttemptBytes = MAX_ATTEMPT_BYTES } = this.#options;
    const { entries, claims, keptAttempts } = this.#state;
    const full =
      this.#log.bytes >= maxBytes || entries.size + claims.size >= maxLive || keptAttempts.bytes >= maxAttemptBytes;
    return full ? 'journal-full' : null;
  }

  /** Why writes fail at the moment; null: they do not. */
  get failing(): string | null {
    return this.#log.failing;
  }

  get health(): SourceHealth {
    const source = 'journal';
    if (this.#log.failing !== null) return { source, status: 'failed', reason: this.#log.failing };
    const reason = this.refusing ?? this.#damage;
    return reason === null ? { source, status: 'ok', reason: '' } : { source, status: 'degraded', reason };
  }

  /** Pending entries in the order of routing. */
  pending(): Entry[] {
    const pending: Entry[] = [];
    for (const entry of this.#state.entries.values()) if (entry.sequence === 0) pending.push(entry);
    return pending.sort((a, b) => a.n - b.n);
  }

  /** Final, not yet acknowledged, by sequence, from the one after `after`. */
  unreported(after: number, limit: number): Entry[] {
    const found: Entry[] = [];
    for (
      let next = Math.max(after, this.#state.ackedSequence) + 1;
      next <= this.#state.lastSequence && found.length < limit;
      next++
    ) {
      const entry = this.#state.unreported.get(next);
      if (entry) found.push(entry);
    }
    return found;
  }

  get ackedSequence(): number {
    return this.#state.ackedSequence;
  }

  get lastSequence(): number {
    return this.#state.lastSequence;
  }

  get claims(): ReadonlyMap<string, KeptClaim> {
    return this.#state.claims;
  }

  /** Keys whose window has closed; they may be freed meanwhile. */
  closedClaims(now: number): Iterable<string> {
    return this.#state.closing.closed(now);
  }

  get unsettled(): ReadonlySet<string> {
    return this.#state.unsettled;
  }

  get lastFence(): number {
    return this.#state.lastFence;
  }

  hookLedgers(): HookLedger[] {
    return this.#state.hookLedgers();
  }

  sourceLedgers(): SourceLedger[] {
    return [...this.#state.sources.values()];
  }

  /** Appends only; durable after the next `flush`. */
  routed(event: TrotlineEvent, hooks: readonly string[], at: Moment, bootId: string): readonly Entry[] {
    return this.#append({ k: 'routed', n: this.#state.nextEntry, at, bootId, hooks, event });
  }

  /** Everything appended so far is durable. */
  flush(): Promise<void> {
    return this.#log.flush();
  }

  started(entry: Entry, open: Omit<StartedRecord, 'k' | 'n'>): Promise<void> {
    this.#append({ k: 'started', n: entry.n, ...open });
    return this.#log.flush();
  }

  /** What the next attempt of an action is to know, in place of what it knew. */
  remember(entry: Entry, kept: Omit<RememberedRecord, 'k' | 'n'>): Promise<void> {
    this.#append({ k: 'remembered', n: entry.n, ...kept });
    return this.#log.flush();
  }

  result(entry: Entry, attempt: AttemptRecord): Promise<void> {
    this.#append({ k: 'result', n: entry.n, attempt });
    return this.#log.flush();
  }

  /** Gives the outcome its sequence, and its attempts the whole of their texts; then alone it waits before it appends. */
  async finish(entry: Entry, outcome: Omit<OutcomeRecord, 'sequence'>): Promise<void> {
    const { keptAttempts } = this.#state;
    const whole = outcome.attempts.every((attempt) => keptAttempts.place(attempt) === null);
    const attempts = whole ? outcome.attempts : await this.#whole(outcome.attempts);
    const record = { sequence: this.#state.lastSequence + 1, ...outcome, attempts };
    this.#append({ k: 'outcome', n: entry.n, record });
    await this.#log.flush();
  }

  /** The control plane has stored every outcome up to `sequence`. Need not be durable at once: a repeat does no harm. */
  acknowledged(sequence: number): void {
    if (sequence > this.#state.lastSequence) {
      throw new AppError(
        'MESSAGE_INVALID',
        `outcome ${sequence} was acknowledged, but ${this.#state.lastSequence} is the newest`,
      );
    }
    if (sequence <= this.#state.ackedSequence) return;
    this.#append({ k: 'acked', sequence });
    const { oldest } = this.#log;
    if (oldest !== null && this.#state.live.in(oldest).size === 0) this.#tidy();
  }

  /**
   * The control plane stores outcomes of ours up to `sequence` that this journal does not know, for it lost its end: what
   * is unreported gets numbers behind them, so that nothing passes for told.
   */
  skipTo(sequence: number): void {
    if (sequence <= this.#state.lastSequence) return;
    const { lastSequence } = this.#state;
    this.#damage = `the journal ended at outcome ${lastSequence}, the control plane has ${sequence}`;
    this.#options.log.error({ journal: lastSequence, stored: sequence }, 'journal is older than what it reported');
    this.#append({ k: 'skipped', by: sequence - this.#state.ackedSequence });
    // Appended in order with all that follows: what is reported after it is never durable without it.
  }

  counters(sources: readonly SourceLedger[]): Promise<void> {
    this.#append({ k: 'counters', sources });
    return this.#log.flush();
  }

  /** A window on this node; null: it has closed. Durable after the next `flush`. */
  claim(key: string, row: ClaimRow | null, unsettled: boolean): void {
    this.#append({ k: 'claim', key, row, unsettled });
  }

  /** The entry's event, from memory or from disk. */
  async event(entry: Entry): Promise<TrotlineEvent> {
    if (entry.event) return entry.event;
    const record = await this.#read(() => entry.position);
    if (record?.k === 'routed' || record?.k === 'carry') return record.event;
    throw new AppError('STORE_FAILED', `journal record of entry ${entry.n} holds no event`);
  }

  /** The entry's outcome, from memory or from disk; only for final entries. */
  async outcome(entry: Entry): Promise<OutcomeRecord> {
    const { sequence } = entry;
    if (entry.final) return { ...entry.final, sequence };
    const record = await this.#read(() => entry.finalPosition);
    if (record?.k === 'outcome') return { ...record.record, sequence };
    if (record?.k === 'carry' && record.final) return { ...record.final, sequence };
    throw new AppError('STORE_FAILED', `journal record of entry ${entry.n} holds no outcome`);
  }

  /** Attempts with the whole of their texts; an outcome is not held up by one that cannot be read. */
  async #whole(attempts: readonly AttemptRecord[]): Promise<AttemptRecord[]> {
    const { keptAttempts } = this.#state;
    const whole: AttemptRecord[] = [];
    let from: Position | null = null;
    let record: JournalRecord | null = null;
    for (const attempt of attempts) {
      const place = keptAttempts.place(attempt);
      if (place && place !== from) {
        from = place;
        record = await this.#read(() => keptAttempts.place(attempt)).catch((error: unknown) => {
          this.#options.log.error({ error: errorText(error) }, 'attempt not read back');
          return null;
        });
      }
      whole.push((place && wholeAttempt(record, attempt)) ?? attempt);
    }
    return whole;
  }

  /** The record may be moved forward while it is read: then it is read at its new place. */
  async #read(place: () => Position | null): Promise<JournalRecord | null> {
    await this.#log.flush();
    for (;;) {
      const position = place();
      if (!position) return null;
      try {
        return decodeRecord(await this.#log.read(position));
      } catch (error) {
        if (place() === position) throw error;
      }
    }
  }

  #append(record: JournalRecord): readonly Entry[] {
    const made = this.#state.apply(record, this.#log.append(encodeRecord(record)));
    if (this.#log.full) {
      this.#log.roll(encodeRecord(this.#state.head()));
      this.#tidy();
    }
    return made;
  }

  #fill(gaps: ReturnType<typeof findGaps>): void {
    const { node, clock, bootClock } = this.#options;
    const life = randomBytes(6).toString('hex');
    for (const [index, { hook, sequence }] of gaps.entries()) {
      const event = damageEvent(node, life, index + 1, clock.now());
      const at = { at: bootClock.moment(), bootId: bootClock.bootId };
      const n = this.#state.nextEntry;
      this.#append({ k: 'carry', n, ...at, hook, event, open: [], attempts: [], final: null });
      const outcome = { outcome: 'dropped', reason: 'journal-damaged', uncoordinated: false, attempts: [] } as const;
      const record = { sequence, eventId: event.id, hook, timeMs: clock.now(), ...outcome };
      this.#append({ k: 'outcome', n, record });
    }
  }

  #tidy(): void {
    this.#compacting ??= compact(this.#log, this.#state.live, this.#options.segmentBytes, (live) => this.#carry(live))
      .catch((error: unknown) => this.#options.log.error({ error: errorText(error) }, 'journal not compacted'))
      .finally(() => (this.#compacting = null));
  }

  async #carry(live: Entry | KeptClaim): Promise<void> {
    if ('row' in live) {
      const { row, unsettled } = live;
      if (this.#state.claims.get(row.key) === live) this.claim(row.key, row, unsettled);
      return;
    }
    const event = await this.event(live);
    const { sequence, attempts } = live;
    const final = sequence === 0 ? null : await this.outcome(live);
    const whole = await this.#whole(attempts);
    if (this.#state.entries.get(live.n) !== live) return;
    if (live.sequence !== sequence || live.attempts !== attempts) return this.#carry(live);
    const { n, at, bootId, hook, open, remembered } = live;
    this.#append({ k: 'carry', n, at, bootId, hook, event, open, attempts: whole, remembered, final });
  }
}

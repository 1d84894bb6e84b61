import {
  AppError,
  type AttemptRecord,
  type ClaimRow,
  type Component,
  type HookLedger,
  type OutcomeRecord,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import type { Moment } from '../boottime.ts';
import type { Entry } from './entry.ts';
import { decodeRecord, encodeRecord, type JournalRecord, type StartedRecord } from './records.ts';
import { type Position, SegmentLog, type SegmentLogOptions } from './segment-log.ts';
import { JournalState } from './state.ts';

export interface JournalOptions extends SegmentLogOptions {
  /** At this size on disk nothing new is taken in: `lost(journal-full)`. */
  readonly maxBytes: number;
}

/** So few live entries in the oldest segment are moved forward so that the segment can go. */
const CARRY_AT_MOST = 1024;
/** So many old segments may stay before entries are moved. */
const OLD_SEGMENTS = 2;

/**
 * What the node owes: every routed event until its outcome is final and reported. Each method appends at once and
 * resolves when the record is durable; the in-memory state follows the records and nothing else.
 */
export class Journal implements Component {
  readonly #log: SegmentLog;
  readonly #maxBytes: number;
  readonly #state = new JournalState();
  #compacting: Promise<void> | null = null;

  constructor(options: JournalOptions) {
    this.#log = new SegmentLog(options);
    this.#maxBytes = options.maxBytes;
  }

  /** Replays what a former process left; then `pending` holds it. */
  async start(): Promise<void> {
    await this.#log.open((payload, position) => void this.#state.apply(decodeRecord(payload), position));
    this.#append(this.#state.head());
    await this.#log.flush();
  }

  async stop(): Promise<void> {
    await this.#compacting;
    await this.#log.close();
  }

  /** Why nothing new can be taken: `journal-full`, `journal-failing`; null: it can. */
  get refusing(): string | null {
    if (this.#log.failing !== null) return 'journal-failing';
    return this.#log.bytes >= this.#maxBytes ? 'journal-full' : null;
  }

  get failing(): string | null {
    return this.#log.failing;
  }

  /** Pending entries in the order of routing. */
  pending(): Entry[] {
    return [...this.#state.entries.values()].filter(({ sequence }) => sequence === 0).sort((a, b) => a.n - b.n);
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

  get claims(): ReadonlyMap<string, ClaimRow> {
    return this.#state.claims;
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

  result(entry: Entry, attempt: AttemptRecord): Promise<void> {
    this.#append({ k: 'result', n: entry.n, attempt });
    return this.#log.flush();
  }

  /** Gives the outcome its sequence. */
  async finish(entry: Entry, outcome: Omit<OutcomeRecord, 'sequence'>): Promise<void> {
    const record = { sequence: this.#state.lastSequence + 1, ...outcome };
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
    if (sequence > this.#state.ackedSequence) this.#append({ k: 'acked', sequence });
  }

  counters(sources: readonly SourceLedger[]): Promise<void> {
    this.#append({ k: 'counters', sources });
    return this.#log.flush();
  }

  claim(key: string, row: ClaimRow | null, unsettled: boolean): Promise<void> {
    this.#append({ k: 'claim', key, row, unsettled });
    return this.#log.flush();
  }

  /** The entry's event, from memory or from disk. */
  async event(entry: Entry): Promise<TrotlineEvent> {
    if (entry.event) return entry.event;
    const record = await this.#read(entry.position);
    if (record.k === 'routed' || record.k === 'carry') return record.event;
    throw new AppError('STORE_FAILED', `journal record of entry ${entry.n} holds no event`);
  }

  /** The entry's outcome, from memory or from disk; only for final entries. */
  async outcome(entry: Entry): Promise<OutcomeRecord> {
    if (entry.final) return entry.final;
    const record = entry.finalPosition ? await this.#read(entry.finalPosition) : null;
    if (record?.k === 'outcome') return record.record;
    if (record?.k === 'carry' && record.final) return record.final;
    throw new AppError('STORE_FAILED', `journal record of entry ${entry.n} holds no outcome`);
  }

  async #read(position: Position): Promise<JournalRecord> {
    await this.#log.flush();
    return decodeRecord(await this.#log.read(position));
  }

  #append(record: JournalRecord): readonly Entry[] {
    const made = this.#state.apply(record, this.#log.append(encodeRecord(record)));
    if (this.#log.full) {
      this.#log.roll();
      this.#log.append(encodeRecord(this.#state.head()));
      this.#compacting ??= this.#compact().finally(() => (this.#compacting = null));
    }
    return made;
  }

  /** Deletes the oldest segments that hold nothing live; few live entries are carried forward first. */
  async #compact(): Promise<void> {
    for (const segment of this.#log.oldSegments) {
      const live = this.#state.liveIn.get(segment);
      if (live && live.size > 0) {
        if (live.size > CARRY_AT_MOST || this.#log.oldSegments.length <= OLD_SEGMENTS) return;
        for (const entry of live) await this.#carry(entry);
        await this.#log.flush();
        if (live.size > 0) return;
      }
      this.#state.liveIn.delete(segment);
      await this.#log.remove(segment);
    }
  }

  async #carry(entry: Entry): Promise<void> {
    const event = await this.event(entry);
    const { sequence } = entry;
    const final = sequence === 0 ? null : await this.outcome(entry);
    if (this.#state.entries.get(entry.n) !== entry) return;
    if (entry.sequence !== sequence) return this.#carry(entry);
    const { n, at, bootId, hook, open, attempts } = entry;
    this.#append({ k: 'carry', n, at, bootId, hook, event, open, attempts, final });
  }
}

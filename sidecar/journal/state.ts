import {
  type AttemptRecord,
  type ClaimRow,
  type HookLedger,
  ledgerName,
  type OutcomeRecord,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import { KeptAttempts } from './attempts.ts';
import { ClosingIndex } from './closing.ts';
import type { Entry } from './entry.ts';
import { LiveIndex } from './live.ts';
import {
  type CarryRecord,
  type ClaimRecord,
  type Head,
  type HookTotals,
  type JournalRecord,
  type RoutedRecord,
} from './records.ts';
import type { Position } from './segment-log.ts';

/** More entries than this, or more bytes, keep their event and outcome on disk only. */
const KEPT_ENTRIES = 4096;
const KEPT_BYTES = 8 << 20;
/** Ledgers of older lives of sources are dropped. */
const KEPT_LIVES = 64;

/** A window that the node knows of, and the record that says so. */
export interface KeptClaim {
  readonly row: ClaimRow;
  /** The control plane has not heard of it yet. */
  readonly unsettled: boolean;
  position: Position;
}

interface Totals extends HookTotals {
  pending: number;
}

/** What the records say, in memory: the same function applies them while running and at the start. */
export class JournalState {
  /** By number, which is the order of routing. */
  readonly entries = new Map<number, Entry>();
  /** Final and not yet acknowledged, by sequence. */
  readonly unreported = new Map<number, Entry>();
  readonly hooks = new Map<string, Totals>();
  readonly sources = new Map<string, SourceLedger>();
  readonly claims = new Map<string, KeptClaim>();
  readonly unsettled = new Set<string>();
  readonly closing = new ClosingIndex();
  readonly keptAttempts = new KeptAttempts();
  readonly live = new LiveIndex<Entry | KeptClaim>();
  nextEntry = 1;
  lastSequence = 0;
  ackedSequence = 0;
  lastFence = 0;
  #keptEntries = 0;
  #keptBytes = 0;

  /** Returns the entries that the record made. */
  apply(record: JournalRecord, position: Position): readonly Entry[] {
    switch (record.k) {
      case 'head':
        this.#head(record);
        break;
      case 'routed':
        return this.#routed(record, position);
      case 'started': {
        const { k: _, n, ...open } = record;
        const entry = this.entries.get(n);
        if (entry) entry.open = [...entry.open, open];
        break;
      }
      case 'remembered': {
        const { k: _, n, ...kept } = record;
        const entry = this.entries.get(n);
        if (entry) entry.remembered = [...entry.remembered.filter(({ action }) => action !== kept.action), kept];
        break;
      }
      case 'result':
        this.#result(record.n, record.attempt, position);
        break;
      case 'outcome':
        this.#final(record.n, record.record, position);
        break;
      case 'acked':
        this.#acked(record.sequence);
        break;
      case 'skipped':
        this.#skipped(record.by);
        break;
      case 'counters':
        for (const source of record.sources) this.#source(source);
        break;
      case 'claim':
        this.#claim(record, position);
        break;
      case 'carry':
        return this.#carry(record, position);
    }
    return NONE;
  }

  head(): Head {
    const hooks = [...this.hooks].map(([hook, { routed, outcomes }]) => [hook, { routed, outcomes }]);
    return {
      k: 'head',
      nextEntry: this.nextEntry,
      lastSequence: this.lastSequence,
      ackedSequence: this.ackedSequence,
      hooks: Object.fromEntries(hooks),
      sources: [...this.sources.values()],
      lastFence: this.lastFence,
    };
  }

  /** Per hook: routed = Σ outcomes + pending; each is counted on its own. */
  hookLedgers(): HookLedger[] {
    return [...this.hooks].map(([hook, { routed, pending, outcomes }]) => ({
      hook,
      routed,
      pending,
      outcomes: { ...outcomes },
    }));
  }

  totals(hook: string): Totals {
    let totals = this.hooks.get(hook);
    if (!totals) this.hooks.set(hook, (totals = { routed: 0, outcomes: {}, pending: 0 }));
    return totals;
  }

  #head(head: Head): void {
    // Older segments that are still there have said most of it already; totals count what went with those that are not.
    this.nextEntry = Math.max(this.nextEntry, head.nextEntry);
    this.lastSequence = Math.max(this.lastSequence, head.lastSequence);
    this.lastFence = Math.max(this.lastFence, head.lastFence);
    for (const [hook, { routed, outcomes }] of Object.entries(head.hooks)) {
      this.hooks.set(hook, { routed, outcomes: { ...outcomes }, pending: this.totals(hook).pending });
    }
    for (const source of head.sources) this.#source(source);
    this.#acked(head.ackedSequence);
  }

  #routed({ n, at, bootId, hooks, event }: RoutedRecord, position: Position): Entry[] {
    this.#heard(event);
    return hooks.map((hook, index) => {
      this.totals(hook).routed++;
      return this.#add({ n: n + index, hook, at, bootId }, event, position);
    });
  }

  /** A routed event that is newer than its life's last counters was heard, whatever else is unknown after a crash. */
  #heard({ source, life, sequence, synthetic }: TrotlineEvent): void {
    const known = this.sources.get(lifeKey({ source, life })) ?? {
      source,
      life,
      heard: 0,
      unmatched: 0,
      routed: 0,
      lost: {},
      unknown: { from: 1, to: null },
    };
    if (synthetic || known.unknown === null || sequence < known.unknown.from) return;
    this.#source({ ...known, heard: known.heard + 1, routed: known.routed + 1 });
  }

  #source(source: SourceLedger): void {
    this.sources.set(lifeKey(source), source);
    for (const oldest of this.sources.keys()) {
      if (this.sources.size <= KEPT_LIVES) return;
      this.sources.delete(oldest);
    }
  }

  #add(
    { n, hook, at, bootId }: Pick<Entry, 'n' | 'hook' | 'at' | 'bootId'>,
    event: TrotlineEvent,
    position: Position,
  ): Entry {
    const entry: Entry = {
      n,
      hook,
      eventId: event.id,
      at,
      bootId,
      event: null,
      kept: 0,
      position,
      open: NONE,
      attempts: NONE,
      remembered: NONE,
      sequence: 0,
      final: null,
      finalPosition: null,
    };
    if (this.#keep(entry, position.length)) entry.event = event;
    this.nextEntry = Math.max(this.nextEntry, n + 1);
    this.entries.set(n, entry);
    this.totals(hook).pending++;
    this.live.add(entry);
    return entry;
  }

  #result(n: number, attempt: AttemptRecord, position: Position): void {
    const entry = this.entries.get(n);
    if (!entry) return;
    entry.open = entry.open.filter(({ action, number }) => action !== attempt.action || number !== attempt.number);
    entry.attempts = [...entry.attempts, this.keptAttempts.keep(attempt, position)];
  }

  #final(n: number, record: OutcomeRecord, position: Position): void {
    const { outcomes } = this.totals(record.hook);
    const name = ledgerName(record);
    outcomes[name] = (outcomes[name] ?? 0) + 1;
    this.lastSequence = Math.max(this.lastSequence, record.sequence);
    const entry = this.entries.get(n);
    if (entry) this.#finish(entry, record, position);
  }

  #finish(entry: Entry, record: OutcomeRecord, position: Position): void {
    entry.sequence = record.sequence;
    if (this.#keep(entry, position.length)) entry.final = record;
    entry.finalPosition = position;
    entry.open = NONE;
    entry.remembered = NONE;
    this.keptAttempts.release(entry.attempts);
    entry.attempts = NONE;
    this.totals(entry.hook).pending--;
    this.unreported.set(record.sequence, entry);
  }

  /** Whether so many more bytes of the entry may stay in memory; counts them when so. */
  #keep(entry: Entry, bytes: number): boolean {
    if (this.#keptBytes + bytes > KEPT_BYTES) return false;
    if (entry.kept === 0 && ++this.#keptEntries > KEPT_ENTRIES) {
      this.#keptEntries--;
      return false;
    }
    entry.kept += bytes;
    this.#keptBytes += bytes;
    return true;
  }

  #acked(sequence: number): void {
    if (sequence - this.ackedSequence > this.unreported.size) {
      for (const [known, entry] of this.unreported) if (known <= sequence) this.#forget(known, entry);
    } else {
      for (let next = this.ackedSequence + 1; next <= sequence; next++) {
        const entry = this.unreported.get(next);
        if (entry) this.#forget(next, entry);
      }
    }
    this.ackedSequence = Math.max(this.ackedSequence, sequence);
  }

  #forget(sequence: number, entry: Entry): void {
    this.unreported.delete(sequence);
    this.entries.delete(entry.n);
    this.live.remove(entry);
    if (entry.kept === 0) return;
    this.#keptEntries--;
    this.#keptBytes -= entry.kept;
  }

  #skipped(by: number): void {
    const entries = [...this.unreported.values()];
    this.unreported.clear();
    this.lastSequence += by;
    this.ackedSequence += by;
    for (const entry of entries) {
      entry.sequence += by;
      this.unreported.set(entry.sequence, entry);
    }
  }

  #claim({ key, row, unsettled }: ClaimRecord, position: Position): void {
    const before = this.claims.get(key);
    if (before) {
      this.live.remove(before);
      this.closing.remove(before.row);
    }
    this.claims.delete(key);
    this.unsettled.delete(key);
    if (!row) return;
    const kept = { row, unsettled, position };
    this.claims.set(key, kept);
    if (unsettled) this.unsettled.add(key);
    this.live.add(kept);
    this.closing.add(row);
    this.lastFence = Math.max(this.lastFence, row.fence);
  }

  #carry(record: CarryRecord, position: Position): readonly Entry[] {
    const before = this.entries.get(record.n);
    if (before) {
      this.live.move(before, position);
      this.keptAttempts.moved(before.attempts, position);
      if (before.finalPosition) before.finalPosition = position;
      return NONE;
    }
    const entry = this.#add(record, record.event, position);
    entry.open = record.open;
    entry.remembered = record.remembered ?? NONE;
    entry.attempts = record.attempts.map((attempt) => this.keptAttempts.keep(attempt, position));
    if (record.final) this.#finish(entry, record.final, position);
    return [entry];
  }
}

function lifeKey({ source, life }: Pick<SourceLedger, 'source' | 'life'>): string {
  return `${source} ${life}`;
}

const NONE: readonly never[] = [];

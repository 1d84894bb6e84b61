import {
  type AttemptRecord,
  type ClaimRow,
  type HookLedger,
  type OutcomeRecord,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import type { Moment } from '../boottime.ts';
import type { Entry } from './entry.ts';
import {
  type CarryRecord,
  type Head,
  type HookTotals,
  type JournalRecord,
  ledgerName,
  type RoutedRecord,
} from './records.ts';
import type { Position } from './segment-log.ts';

/** More entries than this keep their event or outcome on disk only. */
const KEPT_IN_MEMORY = 4096;
/** Ledgers of older lives of sources are dropped. */
const KEPT_LIVES = 64;

/** What the records say, in memory: the same function applies them while running and at the start. */
export class JournalState {
  /** By number, which is the order of routing. */
  readonly entries = new Map<number, Entry>();
  /** Final and not yet acknowledged, by sequence in order. */
  readonly unreported = new Map<number, Entry>();
  readonly hooks = new Map<string, HookTotals>();
  readonly sources = new Map<string, SourceLedger>();
  readonly claims = new Map<string, ClaimRow>();
  readonly unsettled = new Set<string>();
  /** Live entries whose event lies in a segment. */
  readonly liveIn = new Map<number, Set<Entry>>();
  nextEntry = 1;
  lastSequence = 0;
  ackedSequence = 0;
  lastFence = 0;
  #inMemory = 0;

  /** Returns the entries that a routed record made. */
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
      case 'result':
        this.#result(record.n, record.attempt);
        break;
      case 'outcome':
        this.#final(record.n, record.record, position);
        break;
      case 'acked':
        this.#acked(record.sequence);
        break;
      case 'counters':
        for (const source of record.sources) this.sources.set(lifeKey(source), source);
        break;
      case 'claim':
        if (record.row) this.claims.set(record.key, record.row);
        else this.claims.delete(record.key);
        if (record.unsettled) this.unsettled.add(record.key);
        else this.unsettled.delete(record.key);
        if (record.row) this.lastFence = Math.max(this.lastFence, record.row.fence);
        break;
      case 'carry':
        this.#carry(record, position);
        break;
    }
    return [];
  }

  head(): Head {
    return {
      k: 'head',
      nextEntry: this.nextEntry,
      lastSequence: this.lastSequence,
      ackedSequence: this.ackedSequence,
      hooks: Object.fromEntries(this.hooks),
      sources: [...this.sources.values()].slice(-KEPT_LIVES),
      claims: [...this.claims.values()],
      unsettled: [...this.unsettled],
      lastFence: this.lastFence,
    };
  }

  /** Per hook: routed = Σ outcomes + pending, by construction of the counts and checked by whoever reads them. */
  hookLedgers(): HookLedger[] {
    const pending = new Map<string, number>();
    for (const { hook, sequence } of this.entries.values()) {
      if (sequence === 0) pending.set(hook, (pending.get(hook) ?? 0) + 1);
    }
    return [...this.hooks].map(([hook, { routed, outcomes }]) => ({
      hook,
      routed,
      pending: pending.get(hook) ?? 0,
      outcomes: { ...outcomes },
    }));
  }

  /** Whether another event or outcome may stay in memory; counts it when so. */
  keep(): boolean {
    if (this.#inMemory >= KEPT_IN_MEMORY) return false;
    this.#inMemory++;
    return true;
  }

  #head(head: Head): void {
    // Records of an older segment may have been applied already when that segment is still there: the head then says the same.
    this.nextEntry = Math.max(this.nextEntry, head.nextEntry);
    this.lastSequence = Math.max(this.lastSequence, head.lastSequence);
    this.lastFence = Math.max(this.lastFence, head.lastFence);
    for (const [hook, totals] of Object.entries(head.hooks)) this.hooks.set(hook, structuredClone(totals));
    for (const source of head.sources) this.sources.set(lifeKey(source), source);
    this.claims.clear();
    for (const row of head.claims) this.claims.set(row.key, row);
    this.unsettled.clear();
    for (const key of head.unsettled) this.unsettled.add(key);
    this.#acked(head.ackedSequence);
  }

  #routed({ n, at, bootId, hooks, event }: RoutedRecord, position: Position): Entry[] {
    this.nextEntry = Math.max(this.nextEntry, n + hooks.length);
    this.#heard(event);
    return hooks.map((hook, index) => {
      this.#totals(hook).routed++;
      return this.#add(n + index, hook, event, at, bootId, position);
    });
  }

  /** A routed event that is newer than its life's last counters was heard, whatever else is unknown after a crash. */
  #heard({ source, life, sequence }: TrotlineEvent): void {
    const key = lifeKey({ source, life });
    const known = this.sources.get(key) ?? {
      source,
      life,
      heard: 0,
      unmatched: 0,
      routed: 0,
      lost: {},
      unknown: { from: 1, to: null },
    };
    if (known.unknown === null || sequence < known.unknown.from) return;
    this.sources.set(key, { ...known, heard: known.heard + 1, routed: known.routed + 1 });
  }

  #add(n: number, hook: string, event: TrotlineEvent, at: Moment, bootId: string, position: Position): Entry {
    const entry: Entry = {
      n,
      hook,
      eventId: event.id,
      at,
      bootId,
      event: this.keep() ? event : null,
      position,
      open: NONE,
      attempts: NONE,
      sequence: 0,
      final: null,
      finalPosition: null,
    };
    this.entries.set(n, entry);
    this.#live(entry);
    return entry;
  }

  #result(n: number, attempt: AttemptRecord): void {
    const entry = this.entries.get(n);
    if (!entry) return;
    entry.open = entry.open.filter(({ action, number }) => action !== attempt.action || number !== attempt.number);
    entry.attempts = [...entry.attempts, attempt];
  }

  #final(n: number, record: OutcomeRecord, position: Position): void {
    const { outcomes } = this.#totals(record.hook);
    const name = ledgerName(record);
    outcomes[name] = (outcomes[name] ?? 0) + 1;
    this.lastSequence = Math.max(this.lastSequence, record.sequence);
    const entry = this.entries.get(n);
    if (entry) this.#finish(entry, record, position);
  }

  #finish(entry: Entry, record: OutcomeRecord, position: Position): void {
    entry.sequence = record.sequence;
    entry.final = entry.event === null ? null : record;
    entry.finalPosition = position;
    entry.open = NONE;
    entry.attempts = NONE;
    this.unreported.set(record.sequence, entry);
  }

  #acked(sequence: number): void {
    for (let next = this.ackedSequence + 1; next <= sequence; next++) {
      const entry = this.unreported.get(next);
      if (!entry) continue;
      this.unreported.delete(next);
      this.entries.delete(entry.n);
      if (entry.event !== null) this.#inMemory--;
      this.liveIn.get(entry.position.segment)?.delete(entry);
    }
    this.ackedSequence = Math.max(this.ackedSequence, sequence);
  }

  #carry(record: CarryRecord, position: Position): void {
    const { n, hook, event, at, bootId, open, attempts, final } = record;
    const before = this.entries.get(n);
    if (before) {
      this.liveIn.get(before.position.segment)?.delete(before);
      before.position = position;
      if (before.finalPosition) before.finalPosition = position;
      this.#live(before);
      return;
    }
    const entry = this.#add(n, hook, event, at, bootId, position);
    entry.open = open;
    entry.attempts = attempts;
    if (final) this.#finish(entry, final, position);
  }

  #live(entry: Entry): void {
    const live = this.liveIn.get(entry.position.segment);
    if (live) live.add(entry);
    else this.liveIn.set(entry.position.segment, new Set([entry]));
  }

  #totals(hook: string): HookTotals {
    let totals = this.hooks.get(hook);
    if (!totals) this.hooks.set(hook, (totals = { routed: 0, outcomes: {} }));
    return totals;
  }
}

function lifeKey({ source, life }: Pick<SourceLedger, 'source' | 'life'>): string {
  return `${source} ${life}`;
}

const NONE: readonly never[] = [];

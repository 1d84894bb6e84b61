import { randomBytes } from 'node:crypto';

import {
  AppError,
  ATTRIBUTE,
  type Clock,
  type EventDraft,
  type Log,
  SPAN,
  type SourceContext,
  type SourceLedger,
  startSpan,
  traceparentOf,
  type TrotlineEvent,
} from '#core';

import type { BootClock } from './boottime.ts';
import type { HookSet } from './hooks/hook-set.ts';
import type { Entry } from './journal/entry.ts';
import type { Journal } from './journal/journal.ts';
import type { RoutedHook } from './router.ts';

/** One life of one source: what it has said so far. */
interface Life {
  readonly source: string;
  readonly life: string;
  heard: number;
  unmatched: number;
  routed: number;
  readonly lost: Record<string, number>;
  /** Highest sequence number seen. */
  sequence: number;
}

export interface PipelineDeps {
  readonly node: string;
  readonly journal: Journal;
  readonly hooks: HookSet;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly log: Log;
}

/** From emitted to journaled: routes each event, makes the matched ones durable and hands them to their hooks. */
export class Pipeline {
  readonly #deps: PipelineDeps;
  readonly #lives: Life[] = [];
  #closed = false;
  /** The sources' counts changed since they were last written down. */
  #dirty = false;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** After the drain deadline: whoever still emits is refused. */
  close(): void {
    this.#closed = true;
  }

  /** Where one life of a source hands in what it hears. Its sequence starts at 1. */
  intake(source: string): Pick<SourceContext, 'emit' | 'lost'> {
    const life: Life = {
      source,
      life: randomBytes(6).toString('hex'),
      heard: 0,
      unmatched: 0,
      routed: 0,
      lost: {},
      sequence: 0,
    };
    this.#lives.push(life);
    return {
      emit: (drafts) => this.#emit(life, drafts),
      lost: (reason, count) => {
        life.heard += count;
        life.sequence += count;
        life.lost[reason] = (life.lost[reason] ?? 0) + count;
        this.#dirty = true;
      },
    };
  }

  /** Order is kept. */
  async #emit(life: Life, drafts: readonly EventDraft[]): Promise<void> {
    if (this.#closed) throw new AppError('STATE_ILLEGAL', 'the sidecar takes no more events');
    const { journal, hooks } = this.#deps;
    this.#dirty = true;
    const routed: (readonly Entry[])[] = [];
    for (const draft of drafts) {
      const entries = this.#take(life, draft);
      if (entries) routed.push(entries);
    }
    if (routed.length === 0) return;
    await journal.flush();
    for (const entries of routed) for (const entry of entries) hooks.run(entry);
  }

  /** Ledgers of every life in this process. `open`: as they are to be journaled while more may come. */
  ledgers(open: boolean): SourceLedger[] {
    return this.#lives.map(({ sequence, lost, ...counts }) => ({
      ...counts,
      lost: { ...lost },
      unknown: open ? { from: sequence + 1, to: null } : null,
    }));
  }

  /** Writes the counts down when they changed; `open` as in `ledgers`. */
  async writeCounters(open: boolean): Promise<void> {
    if (!this.#dirty && open) return;
    this.#dirty = false;
    await this.#deps.journal.counters(this.ledgers(open));
  }

  #take(life: Life, draft: EventDraft): readonly Entry[] | null {
    const { hooks, journal, bootClock } = this.#deps;
    const event = this.#identify(life, draft);
    life.sequence = Math.max(life.sequence, draft.sequence);
    if (!draft.synthetic) life.heard++;
    const matched = hooks.route(event);
    if (matched.length === 0) {
      if (!draft.synthetic) life.unmatched++;
      return null;
    }
    const refusing = journal.refusing;
    if (refusing !== null) {
      if (!draft.synthetic) life.lost[refusing] = (life.lost[refusing] ?? 0) + 1;
      return null;
    }
    if (!draft.synthetic) life.routed++;
    const ids = matched.map(({ id }) => id);
    return journal.routed(this.#traced(event, matched), ids, bootClock.moment(), bootClock.bootId);
  }

  #identify({ source, life }: Life, draft: EventDraft): TrotlineEvent {
    const { type, subject, time, sequence, synthetic, namespace, messageType, eventType, attributes, traceparent } =
      draft;
    return {
      id: `${source}-${life}-${sequence}`,
      source,
      node: this.#deps.node,
      life,
      type,
      subject,
      time,
      sequence,
      synthetic,
      interface: draft.interface,
      namespace,
      messageType,
      eventType,
      attributes,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }

  /** Opens the trace of a matched event; everything after hangs below its `emit` span. */
  #traced(event: TrotlineEvent, matched: readonly RoutedHook[]): TrotlineEvent {
    const attributes = {
      [ATTRIBUTE.eventId]: event.id,
      [ATTRIBUTE.eventType]: event.type,
      [ATTRIBUTE.node]: event.node,
    };
    const emit = startSpan(SPAN.emit, attributes, event.traceparent, event.time);
    const traceparent = traceparentOf(emit);
    if (traceparent !== undefined) {
      const hooks = { [ATTRIBUTE.eventId]: event.id, [ATTRIBUTE.hookCount]: matched.length };
      startSpan(SPAN.route, hooks, traceparent).end();
    }
    emit.end();
    return traceparent === undefined ? event : { ...event, traceparent };
  }
}

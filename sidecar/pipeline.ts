import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  AppError,
  ATTRIBUTE,
  type Clock,
  agentDraft,
  type AttemptRecord,
  type EventDraft,
  type HookJudgment,
  type Inquiry,
  type Log,
  SPAN,
  type SourceContext,
  type SourceLedger,
  startSpan,
  traceparentOf,
  type TrotlineEvent,
  type Verdict,
} from '#core';

import type { BootClock } from './boottime.ts';
import type { HookSet } from './hooks/hook-set.ts';
import type { Entry } from './journal/entry.ts';
import type { Journal } from './journal/journal.ts';
import type { Verdicts } from './verdicts.ts';
import { abortable } from './waiting.ts';

/** Events that are routed, and entries that are begun, before the event loop gets a turn. */
const SLICE = 50;
/** Ended lives of which is still told; the journal knows them longer. */
const ENDED_LIVES = 16;

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
  ended: boolean;
  /** It ended by a failure: how much was there to be heard after it is unknown. */
  cut: boolean;
  /** The end of what was emitted so far: later batches are taken after it. */
  turn: Promise<unknown>;
}

/** Where one life of a source hands in what it hears. */
export interface Intake extends Pick<SourceContext, 'emit' | 'lost' | 'ask'> {
  /** The life is over. `failed`: it ended while it heard, and what came after that is unknown. */
  end(how: 'stopped' | 'failed'): void;
}

/** What the sidecar itself says. */
export type Word = Pick<EventDraft, 'type' | 'subject' | 'namespace' | 'attributes'>;

export interface PipelineDeps {
  readonly node: string;
  readonly journal: Journal;
  readonly hooks: HookSet;
  readonly verdicts: Pick<Verdicts, 'judge'>;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly log: Log;
}

/** From emitted to journaled: routes each event, makes the matched ones durable and hands them to their hooks. */
export class Pipeline {
  readonly #deps: PipelineDeps;
  #lives: Life[] = [];
  readonly #closed = new AbortController();
  /** Matched events that the journal did not take, by reason, and not told of yet. */
  readonly #untaken = new Map<string, number>();
  /** The sidecar as a source of its own, by what it speaks of, from its first word on. */
  readonly #own = new Map<string, Life>();
  /** The sources' counts changed since they were last written down. */
  #dirty = false;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** After the drain deadline: whoever still emits, or waits for it, is refused. */
  close(): void {
    this.#closed.abort(new AppError('STATE_ILLEGAL', 'the sidecar takes no more events'));
  }

  /** For one life of a source, whose sequence starts at 1. */
  intake(source: string): Intake {
    const life = this.#begin(source);
    return {
      emit: (drafts) => this.#emit(life, drafts),
      // Behind what was emitted before: a count that overtook it would name the wrong numbers after a crash.
      lost: (reason, count) => {
        life.turn = life.turn.then(() => this.#skip(life, reason, count));
      },
      ask: (inquiry) => this.#ask(life, inquiry),
      end: (how) => {
        life.ended = true;
        life.cut = how === 'failed';
        this.#dirty = true;
      },
    };
  }

  #ask(life: Life, { call, fact, time, deadlineMs, traceparent }: Inquiry): Promise<Verdict> {
    const draft = { ...agentDraft(call, time), sequence: 0, synthetic: false, fact };
    const event = this.#identify(life, traceparent === undefined ? draft : { ...draft, traceparent });
    return this.#deps.verdicts.judge({ event, call }, deadlineMs);
  }

  #begin(source: string): Life {
    const id = randomBytes(6).toString('hex');
    const counts = { heard: 0, unmatched: 0, routed: 0, lost: {}, sequence: 0 };
    const life: Life = { source, life: id, ...counts, ended: false, cut: false, turn: Promise.resolve() };
    this.#lives.push(life);
    return life;
  }

  /** A full disk is an event of its own, with a count, as soon as it can be journaled (design section 7.1). */
  async tellUntaken(): Promise<void> {
    if (this.#untaken.size === 0 || this.#deps.journal.refusing !== null) return;
    const words = [...this.#untaken].map(([reason, count]): Word => ({
      type: 'journal.lost',
      subject: `${count} events lost`,
      namespace: '',
      attributes: { 'journal.lost': count, 'journal.reason': reason },
    }));
    this.#untaken.clear();
    await this.say('journal', words);
  }

  /** What the sidecar has to tell of itself, as events of a source of that name. */
  async say(source: string, words: readonly Word[]): Promise<void> {
    const life = this.#own.get(source) ?? this.#begin(source);
    this.#own.set(source, life);
    const place = { interface: '', messageType: 0, eventType: 0 };
    const time = this.#deps.clock.now();
    const drafts = words.map((word): EventDraft => {
      return { ...place, ...word, time, sequence: ++life.sequence, synthetic: true };
    });
    await this.#emit(life, drafts);
  }

  /** Order is kept, also between batches of one life. */
  async #emit(life: Life, drafts: readonly EventDraft[]): Promise<void> {
    const { signal } = this.#closed;
    signal.throwIfAborted();
    this.#dirty = true;
    const turn = life.turn.then(() => this.#takeAll(life, drafts));
    life.turn = turn.catch(() => undefined);
    const journaled = turn.then((begun) => Promise.all(begun));
    await abortable<void>(signal, (resolve, reject) => void journaled.then(() => resolve(), reject));
  }

  async #takeAll(life: Life, drafts: readonly EventDraft[]): Promise<Promise<void>[]> {
    const begun: Promise<void>[] = [];
    for (let at = 0; at < drafts.length; at += SLICE) {
      if (at > 0) await nextTurn();
      begun.push(this.#journaled(drafts.slice(at, at + SLICE).flatMap((draft) => this.#take(life, draft))));
    }
    return begun;
  }

  /** Durable first, then their hooks have them. */
  async #journaled(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return;
    const { journal, hooks, log } = this.#deps;
    await journal.flush();
    for (const { entry, attempts } of taken) {
      if (attempts)
        hooks
          .runJudged(entry, attempts)
          .catch((error: unknown) => log.error({ hook: entry.hook, error }, 'judgment not kept'));
      else hooks.run(entry);
    }
  }

  /** Ledgers of the lives of this process. `open`: as they are to be journaled while more may come. */
  ledgers(open: boolean): SourceLedger[] {
    return this.#lives.map(({ source, life, heard, unmatched, routed, lost, sequence, ended, cut }) => ({
      source,
      life,
      heard,
      unmatched,
      routed,
      lost: { ...lost },
      unknown: cut || (open && !ended) ? { from: sequence + 1, to: null } : null,
    }));
  }

  /** Writes the counts down when they changed; `open` as in `ledgers`. */
  async writeCounters(open: boolean): Promise<void> {
    if (!this.#dirty && open) return;
    this.#dirty = false;
    await this.#deps.journal.counters(this.ledgers(open));
    const ended = this.#lives.filter((life) => life.ended).slice(0, -ENDED_LIVES);
    if (ended.length > 0) this.#lives = this.#lives.filter((life) => !ended.includes(life));
  }

  /** Numbers that the source says were lost. */
  #skip(life: Life, reason: string, count: number): void {
    life.heard += count;
    life.sequence += count;
    this.#lose(life, reason, count);
    this.#dirty = true;
  }

  #lose(life: Life, reason: string, count: number): void {
    life.lost[reason] = (life.lost[reason] ?? 0) + count;
  }

  #take(life: Life, draft: EventDraft): readonly Taken[] {
    const { hooks, journal, bootClock } = this.#deps;
    const event = this.#identify(life, draft);
    life.sequence = Math.max(life.sequence, draft.sequence);
    if (!draft.synthetic) life.heard++;
    const matched = hooks.route(event);
    const { judged = NOBODY } = draft;
    if (matched.length === 0 && judged.length === 0) {
      if (!draft.synthetic) life.unmatched++;
      return NONE;
    }
    const refusing = journal.refusing;
    if (refusing !== null) {
      if (!draft.synthetic) this.#lose(life, refusing, 1);
      this.#untaken.set(refusing, (this.#untaken.get(refusing) ?? 0) + 1);
      return NONE;
    }
    if (!draft.synthetic) life.routed++;
    const ids = matched.map(({ id }) => id);
    for (const { hook } of judged) if (!ids.includes(hook)) ids.push(hook);
    const entries = journal.routed(this.#traced(event, ids.length), ids, bootClock.moment(), bootClock.bootId);
    return entries.map((entry) => ({ entry, attempts: judged.find(({ hook }) => hook === entry.hook)?.attempts }));
  }

  #identify({ source, life }: Life, draft: EventDraft): TrotlineEvent {
    const { type, subject, time, sequence, synthetic, namespace, messageType, eventType, attributes, traceparent } =
      draft;
    return {
      id: draft.fact === undefined ? `${source}-${life}-${sequence}` : `${source}-${draft.fact}`,
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
  #traced(event: TrotlineEvent, matched: number): TrotlineEvent {
    const attributes = {
      [ATTRIBUTE.eventId]: event.id,
      [ATTRIBUTE.eventType]: event.type,
      [ATTRIBUTE.node]: event.node,
    };
    const emit = startSpan(SPAN.emit, attributes, event.traceparent, event.time);
    const traceparent = traceparentOf(emit);
    if (traceparent !== undefined) {
      const hooks = { [ATTRIBUTE.eventId]: event.id, [ATTRIBUTE.hookCount]: matched };
      startSpan(SPAN.route, hooks, traceparent).end();
    }
    emit.end();
    return traceparent === undefined ? event : { ...event, traceparent };
  }
}

/** An entry, with what was judged of it before: the hook is not asked again. */
interface Taken {
  readonly entry: Entry;
  readonly attempts: readonly AttemptRecord[] | undefined;
}

const NONE: readonly Taken[] = [];
const NOBODY: readonly HookJudgment[] = [];

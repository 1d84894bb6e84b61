/** Many events in one signed request (spec leanvibe B4). Each keeps its own attempt; all of a batch have one result. */
import { createHash } from 'node:crypto';

import { bulkhead } from 'cockatiel';

import {
  type Action,
  type ActionContext,
  aggregate,
  type Aggregated,
  type AggregatedEvent,
  type Aggregations,
  aggregationsOf,
  type Attempt,
  Batcher,
  cloudEvent,
  errorText,
  type Infer,
  isAggregated,
  type Result,
  type TrotlineEvent,
  whenAborted,
} from '#core';

import type { config } from './config.ts';
import type { createHeaders } from './request.ts';

export type Post = (request: RequestInit, signal: AbortSignal) => Promise<Result>;

/** Characters of one request; a single event may be longer. */
const BATCH_CHARACTERS = 1 << 20;
/** Of an answer, in the record of each event. */
const OUTPUT_CHARACTERS = 1024;
/** As long as the longest pause between two attempts of a round: so all of a batch come back, and go, together. */
const TOGETHER_MS = 3000;
const DEFAULT_PRIORITY = 5;

export interface BatchesOptions {
  readonly batch: NonNullable<Infer<typeof config>['batch']>;
  readonly headersOf: ReturnType<typeof createHeaders>;
  readonly post: Post;
  /** Requests under way. */
  readonly atOnce: number;
  readonly context: ActionContext;
}

/** One event that waits, or is under way. */
interface Member {
  readonly event: TrotlineEvent;
  readonly deliveryId: string;
  readonly characters: number;
  /** Once; what follows is not heard. */
  readonly end: (result: Result) => void;
  readonly signal: AbortSignal;
}

export class Batches implements Action {
  readonly #options: BatchesOptions;
  readonly #batcher: Batcher<Member>;
  readonly #rules: Aggregations;
  readonly #places;
  /** Nobody waits for others any more. */
  #draining = false;

  constructor(options: BatchesOptions) {
    const { batch, atOnce, context } = options;
    this.#options = options;
    this.#rules = aggregationsOf(batch.rules, batch.aggregate);
    this.#places = bulkhead(atOnce, Infinity);
    this.#batcher = new Batcher<Member>({
      size: batch.size,
      waitMs: batch.wait,
      maxWeight: BATCH_CHARACTERS,
      clock: context.clock,
      priorityOf: ({ event }) => priorityOf(event),
      weightOf: ({ characters }) => characters,
      onBatch: (members) => void this.#send(members),
    });
  }

  handle(event: TrotlineEvent, { deliveryId, signal }: Attempt): Promise<Result> {
    return new Promise((resolve) => {
      const characters = JSON.stringify(cloudEvent(event)).length;
      const end = (result: Result): void => {
        unfollow();
        resolve(result);
      };
      const member: Member = { event, deliveryId, characters, end, signal };
      // Its batch goes on without it.
      const unfollow = whenAborted(signal, () => {
        this.#batcher.remove(member);
        resolve({ status: 'retry', reason: `aborted: ${errorText(signal.reason)}` });
      });
      if (signal.aborted) return;
      this.#batcher.add(member);
      if (this.#draining) this.#batcher.flush();
    });
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#batcher.flush();
  }

  async stop(): Promise<void> {
    await this.drain();
  }

  /** Never rejects. */
  async #send(members: readonly Member[]): Promise<void> {
    const abandoned = whenAllAborted(members);
    const result = await this.#places
      .execute(() => this.#post(members, abandoned))
      .catch((error: unknown): Result => ({ status: 'rejected', reason: errorText(error) }));
    for (const { end } of members) end(result);
  }

  async #post(all: readonly Member[], signal: AbortSignal): Promise<Result> {
    const members = all.filter((member) => !member.signal.aborted);
    const body = `[${this.#told(members).join(',')}]`;
    const headers = this.#options.headersOf(body, 'application/cloudevents-batch+json', {
      deliveryId: batchId(members),
    });
    const result = await this.#options.post({ method: 'POST', headers, body, redirect: 'manual' }, signal);
    return together(result, members.length);
  }

  #told(members: readonly Member[]): string[] {
    const deliveries = new Map(members.map(({ event, deliveryId }) => [event.id, deliveryId]));
    const { log } = this.#options.context;
    const events = members.map(({ event }) => event);
    const told = aggregate(events, this.#rules, (type, error) =>
      log.warn({ type, error: errorText(error) }, 'events are told singly: their rule failed'),
    );
    return told.map((one) => JSON.stringify(wireOf(one, deliveries)));
  }
}

function priorityOf({ attributes }: TrotlineEvent): number {
  const priority = attributes['agent.priority'];
  return typeof priority === 'number' ? priority : DEFAULT_PRIORITY;
}

/** Aborts when nobody waits for the batch any more. */
function whenAllAborted(members: readonly Member[]): AbortSignal {
  const abandoned = new AbortController();
  let left = members.length;
  for (const { signal } of members)
    whenAborted(signal, () => {
      left--;
      if (left === 0) abandoned.abort(signal.reason);
    });
  return abandoned.signal;
}

/** The same for the same events, in whatever order: a receiver knows a repeated batch by it. */
function batchId(members: readonly Member[]): string {
  const ids = members.map(({ deliveryId }) => deliveryId).sort();
  return ids.length === 1 && ids[0] !== undefined ? ids[0] : digest(ids);
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
}

function together(result: Result, count: number): Result {
  const { detail, output } = result;
  const told = {
    ...result,
    ...(detail === undefined ? {} : { detail: `${detail}, batch of ${count}` }),
    ...(output === undefined ? {} : { output: output.slice(0, OUTPUT_CHARACTERS) }),
  };
  return told.status === 'retry' ? { ...told, afterMs: Math.max(told.afterMs ?? 0, TOGETHER_MS) } : told;
}

/** A CloudEvent with the delivery id of the event in it, or of many events with all of theirs. */
function wireOf(one: Aggregated, deliveries: ReadonlyMap<string, string>): object {
  if (!isAggregated(one)) return { ...cloudEvent(one), deliveryid: deliveries.get(one.id) };
  const { events } = one;
  const ids = events.map(({ id }) => deliveries.get(id) ?? '');
  return { ...summaryEvent(one), deliveryid: digest(ids), data: { ...summaryData(one), delivery_ids: ids } };
}

/** In the form of its events, under a type of its own. */
function summaryEvent({ type, events }: AggregatedEvent): object {
  const [first] = events;
  if (!first) return {};
  const { traceparent: _, data: __, ...head } = cloudEvent(first);
  return { ...head, id: `summary-${digest(events.map(({ id }) => id))}`, type: `${type}.summary` };
}

function summaryData({ agent, session, events, payload }: AggregatedEvent): object {
  return {
    ...payload,
    aggregated: true,
    original_count: events.length,
    agent_id: agent,
    session_id: session === '' ? null : session,
    priority: Math.min(...events.map(priorityOf)),
    event_ids: events.map(({ id }) => id),
  };
}

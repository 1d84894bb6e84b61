/** What agents do, as far as hooks wanted it, handed to everything that shows or keeps it beside the history. */
import {
  Batcher,
  type Clock,
  type Component,
  counter,
  errorText,
  gauge,
  type Log,
  type MetricFamily,
  oneLine,
  type OutcomeRecord,
  type TrotlineEvent,
} from '#core';

import type { News } from '../store/types.ts';
import { type HookHealth, type HookHealthReport, WINDOW_MS } from './health.ts';
import { type HookEvent, hookEvent, isAgentEvent, priorityIn } from './hook-event.ts';
import { redisEntry } from './redis-entry.ts';
import type { RedisCounts, RedisStreams } from './redis-streams.ts';
import { type Stage, STAGES, type StreamSettings } from './settings.ts';
import type { HookSockets, SocketCounts } from './sockets.ts';

export interface AgentFeedParts {
  readonly settings: StreamSettings;
  readonly sockets: Pick<HookSockets, 'tell' | 'open' | 'counts'>;
  /** Null: there is no Redis. */
  readonly redis: Pick<RedisStreams, 'start' | 'take' | 'drain' | 'stop' | 'counts'> | null;
  readonly health: HookHealth;
  /** Counts what is stored and not counted yet, by session. */
  readonly summarise: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface StageView {
  readonly stage: Stage;
  readonly enabled: boolean;
}

/** As `/health/hooks` answers. */
export interface HookHealthView extends HookHealthReport {
  readonly window_ms: number;
  readonly stages: {
    readonly aggregation: { readonly enabled: boolean; readonly waiting: number };
    readonly websocket: { readonly enabled: boolean } & SocketCounts;
    readonly redis: { readonly enabled: boolean; readonly configured: boolean } & Partial<RedisCounts>;
  };
}

/** Characters of a reason in the log. */
const LONGEST_REASON = 500;

/** One stage after the other; a stage that fails keeps nothing from the others, nor from an agent. */
export class AgentFeed implements Component {
  readonly #parts: AgentFeedParts;
  readonly #enabled: Map<Stage, boolean>;
  readonly #batcher: Batcher<TrotlineEvent>;
  #isStarted = false;
  #redisStarted = false;
  #summarising: Promise<void> = Promise.resolve();
  #isDue = false;

  constructor(parts: AgentFeedParts) {
    const { settings, clock } = parts;
    this.#parts = parts;
    this.#enabled = new Map(STAGES.map((stage) => [stage, settings.enabled[stage]]));
    parts.sockets.open(settings.enabled.websocket);
    this.#batcher = new Batcher({
      size: settings.batchSize,
      waitMs: settings.flushIntervalMs,
      clock,
      priorityOf: ({ attributes }) => priorityIn(attributes),
      onBatch: (events) => this.#aggregate(events),
    });
  }

  get stages(): readonly StageView[] {
    return STAGES.map((stage) => ({ stage, enabled: this.#isOn(stage) }));
  }

  /** After the store. What was stored and not counted before is counted now. */
  async start(): Promise<void> {
    this.#isStarted = true;
    await this.#startRedis();
    if (this.#isOn('aggregation')) this.#summarise();
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.#batcher.flush();
    await this.#parts.redis?.drain(deadline);
  }

  async stop(): Promise<void> {
    this.#batcher.flush();
    await this.#summarising;
    await this.#parts.redis?.stop();
  }

  /** At any time; what waits for its batch goes on at once. */
  async setStage(stage: Stage, enabled: boolean): Promise<void> {
    if (stage === 'aggregation') this.#batcher.flush();
    this.#enabled.set(stage, enabled);
    if (stage === 'websocket') this.#parts.sockets.open(enabled);
    if (stage === 'redis') await this.#startRedis();
    if (stage === 'aggregation' && enabled) this.#summarise();
  }

  /** In the order of the store. Never throws. */
  hear({ events, outcomes }: News): void {
    for (const event of events) if (isAgentEvent(event)) this.#heard(event);
    for (const outcome of outcomes) if (isOfAgent(outcome)) this.#parts.health.ended(outcome);
  }

  healthView(): HookHealthView {
    const { health, sockets, redis } = this.#parts;
    return {
      ...health.report(),
      window_ms: WINDOW_MS,
      stages: {
        aggregation: { enabled: this.#isOn('aggregation'), waiting: this.#batcher.waiting },
        websocket: { enabled: this.#isOn('websocket'), ...sockets.counts },
        redis: { enabled: this.#isOn('redis'), configured: redis !== null, ...redis?.counts },
      },
    };
  }

  families(): MetricFamily[] {
    const { health, sockets, redis } = this.#parts;
    const { clients, sent, slow, unsent, gone, refused } = sockets.counts;
    const one = (value: number) => [{ value }];
    const dropped = [
      { labels: { why: 'slow' }, value: slow },
      { labels: { why: 'gone' }, value: gone },
      { labels: { why: 'limit' }, value: refused },
    ];
    return [
      ...health.families(),
      gauge('trotline_agent_stream_clients', 'WebSocket clients that are connected.', one(clients)),
      counter('trotline_agent_stream_messages_total', 'Messages to them.', one(sent)),
      counter('trotline_agent_stream_unsent_total', 'Messages that they did not get.', one(unsent)),
      counter('trotline_agent_stream_dropped_total', 'Clients that were dropped or refused.', dropped),
      ...(redis ? redisFamilies(redis.counts) : []),
    ];
  }

  #heard(event: TrotlineEvent): void {
    const told = hookEvent(event);
    this.#parts.health.heard(event);
    this.#logDecision(told);
    if (this.#isOn('aggregation')) this.#stage('aggregation', () => this.#batcher.add(event));
    else this.#toRedis([event]);
    if (this.#isOn('websocket')) this.#stage('websocket', () => this.#parts.sockets.tell(told));
  }

  #aggregate(events: readonly TrotlineEvent[]): void {
    this.#parts.health.aggregated(events.length);
    this.#toRedis(events);
    this.#summarise();
  }

  #toRedis(events: readonly TrotlineEvent[]): void {
    const { redis, settings } = this.#parts;
    if (!redis || !this.#isOn('redis')) return;
    this.#stage('redis', () => redis.take(events.map((event) => redisEntry(hookEvent(event), settings.thresholdMs))));
  }

  /** One at a time; what comes meanwhile is in the next one. */
  #summarise(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#summarising = this.#summarising
      .then(() => {
        this.#isDue = false;
        return this.#parts.summarise();
      })
      .catch((error: unknown) => this.#failed('aggregation', error));
  }

  async #startRedis(): Promise<void> {
    const { redis } = this.#parts;
    if (!redis || this.#redisStarted || !this.#isStarted || !this.#isOn('redis')) return;
    this.#redisStarted = true;
    await redis.start().catch((error: unknown) => this.#failed('redis', error));
  }

  /** A line for each decision (row L39): what stops an agent at info, the rest at debug. */
  #logDecision({ hook_type, agent_id, session_id, timestamp, metadata, event_id }: HookEvent): void {
    const { verdict, reason = '', risk, hook, node } = metadata;
    if (typeof verdict !== 'string') return;
    const fields = {
      event: event_id,
      type: hook_type,
      agent: agent_id,
      session: session_id,
      at: timestamp,
      verdict,
      reason: oneLine(String(reason), LONGEST_REASON),
      ...(risk === undefined ? {} : { risk }),
      hook,
      node,
    };
    this.#parts.log[verdict === 'allow' ? 'debug' : 'info'](fields, 'agent decision');
  }

  #isOn(stage: Stage): boolean {
    return this.#enabled.get(stage) === true;
  }

  #stage(stage: Stage, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(stage, error);
    }
  }

  #failed(stage: Stage, error: unknown): void {
    this.#parts.health.stageFailed();
    this.#parts.log.error({ stage, error: errorText(error) }, 'stage failed');
  }
}

function isOfAgent({ eventId }: OutcomeRecord): boolean {
  return eventId.startsWith('agent-');
}

function redisFamilies({ state, waiting, written, lost }: RedisCounts): MetricFamily[] {
  return [
    gauge('trotline_agent_redis_connected', '1: Redis takes entries.', [{ value: state === 'connected' ? 1 : 0 }]),
    gauge('trotline_agent_redis_waiting', 'Entries that wait for Redis.', [{ value: waiting }]),
    counter('trotline_agent_redis_written_total', 'Entries written to Redis Streams.', [{ value: written }]),
    counter('trotline_agent_redis_lost_total', 'Entries that Redis did not get.', [{ value: lost }]),
  ];
}

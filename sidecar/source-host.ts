import {
  type Clock,
  type Component,
  errorText,
  type Health,
  Lifecycle,
  type Log,
  parseConfig,
  type SourceContext,
  type SourceDefinition,
  type SourceHealth,
  type SourceMemory,
} from '#core';

import type { Pipeline } from './pipeline.ts';

/** Pauses before a failed source is started again. */
const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 30_000;
/** So long without a failure, and the pauses begin anew. */
const STEADY_MS = 60_000;

export interface SourceHostOptions {
  readonly definition: SourceDefinition;
  readonly config: unknown;
  readonly node: string;
  /** As in `SourceContext`. */
  readonly folder: string;
  readonly memory: SourceMemory;
  readonly pipeline: Pipeline;
  readonly askPeople: SourceContext['askPeople'];
  readonly clusterKeys: SourceContext['clusterKeys'];
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps one source alive: a failed one is stopped and started again as a new life; the sidecar goes on meanwhile. */
export class SourceHost implements Component {
  readonly #options: SourceHostOptions;
  readonly #halt = new AbortController();
  #health: SourceHealth;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: SourceHostOptions) {
    this.#options = options;
    this.#health = { source: options.definition.type, status: 'degraded', reason: 'starting' };
  }

  get health(): SourceHealth {
    return this.#health;
  }

  /** Resolves when the first life runs or has failed. */
  async start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#loop = this.#run(first.resolve);
    await first.promise;
  }

  /** Sources take nothing new from here on; what they had in hand is emitted before this resolves. */
  async drain(): Promise<void> {
    await this.stop();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#loop;
  }

  async #run(firstSettled: () => void): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#halt;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      const error = await this.#live(firstSettled);
      firstSettled();
      if (signal.aborted) return;
      const reason = errorText(error);
      this.#say({ status: 'failed', error });
      log.error({ source: this.#health.source, reason, error }, 'source failed');
      if (clock.monotonic() - startedAt > STEADY_MS) pauseMs = FIRST_PAUSE_MS;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }

  /** One life, from start to stop; resolves with why it ended. */
  async #live(started: () => void): Promise<unknown> {
    const { definition, config, node, folder, memory, pipeline, askPeople, clusterKeys, clock, log } = this.#options;
    const { signal } = this.#halt;
    const failed = Promise.withResolvers<unknown>();
    const report = (health: Health): void => {
      if (health.status === 'failed') failed.resolve(health.error);
      else this.#say(health);
    };
    const child = log.child({ source: definition.type });
    const intake = pipeline.intake(definition.type);
    const { emit, lost, ask } = intake;
    const context = { node, folder, clock, log: child, report, emit, lost, ask, askPeople, clusterKeys, memory };
    const halted = (): void => failed.resolve(signal.reason);
    let end: 'stopped' | 'failed' = 'stopped';
    signal.addEventListener('abort', halted, { once: true });
    try {
      const parsed = parseConfig(definition.config, config, `source "${definition.type}"`);
      const source = new Lifecycle(`source(${definition.type})`, definition.create(parsed, context), child);
      try {
        this.#health = { ...this.#health, status: 'ok', reason: '' };
        // Whatever ends the life first: a start that hangs is aborted by the stop.
        await Promise.race([source.start(), failed.promise]);
        if (source.state === 'running') started();
        const reason = await failed.promise;
        // One that never ran had promised to hear nothing yet.
        if (source.state === 'running' && !signal.aborted) end = 'failed';
        return reason;
      } finally {
        await source.stop();
      }
    } catch (error) {
      return error;
    } finally {
      intake.end(end);
      signal.removeEventListener('abort', halted);
    }
  }

  #say(health: Health): void {
    const source = this.#options.definition.type;
    if (health.status === 'failed') {
      this.#health = { source, status: 'failed', reason: errorText(health.error) };
      return;
    }
    const { status, hears } = health;
    const reason = status === 'ok' ? '' : health.reason;
    this.#health = { source, status, reason, ...(hears === undefined ? {} : { hears }) };
  }
}

import { AppError, errorText } from './errors.ts';
import type { Log } from './log.ts';

export type State = 'created' | 'starting' | 'running' | 'draining' | 'stopped' | 'failed';

/** What the host may ask of a part. A part implements only what it needs, and never calls these on itself. */
export interface Component {
  /** Resolves once ready. `signal` covers the start only; keep your own for later work. */
  start?(signal: AbortSignal): Promise<void>;
  /** Take nothing new, finish what was taken; give up when `deadline` aborts. */
  drain?(deadline: AbortSignal): Promise<void>;
  /** Release everything. Safe before start and when repeated; nothing is emitted after it resolves. */
  stop?(): Promise<void>;
}

const NEXT: Readonly<Record<State, readonly State[]>> = {
  created: ['starting', 'stopped'],
  starting: ['running', 'failed', 'stopped'],
  running: ['draining', 'stopped'],
  draining: ['stopped'],
  failed: ['stopped'],
  stopped: [],
};

/** The host's side of one component: its state, the single log line per transition, and a `stop` that runs once. */
export class Lifecycle implements AsyncDisposable {
  readonly name: string;
  readonly #component: Component;
  readonly #log: Log | null;
  readonly #starting = new AbortController();
  #state: State = 'created';
  #started: Promise<void> | null = null;
  #stopped: Promise<void> | null = null;

  constructor(name: string, component: Component, log: Log | null = null) {
    this.name = name;
    this.#component = component;
    this.#log = log;
  }

  get state(): State {
    return this.#state;
  }

  /** Once. Rejects with what the component's start threw; a failed start is still stopped. */
  async start(): Promise<void> {
    this.#move('starting');
    const { signal } = this.#starting;
    // An async function of its own: a start that throws at once is a failed start too.
    this.#started = (async () => this.#component.start?.(signal))();
    try {
      await this.#started;
      signal.throwIfAborted();
    } catch (error) {
      if (!signal.aborted) this.#move('failed');
      await this.stop().catch((also: unknown) =>
        this.#log?.error({ part: this.name, error: also }, 'stop after failed start failed'),
      );
      throw error;
    }
    this.#move('running');
  }

  /** From running only; anywhere else it does nothing. */
  async drain(deadline: AbortSignal): Promise<void> {
    if (this.#state !== 'running') return;
    this.#move('draining');
    await this.#component.drain?.(deadline);
  }

  /** Always safe; repeated calls share one promise. During a start: aborts it and waits for it first. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    if (this.#state === 'starting') {
      this.#starting.abort(new AppError('STATE_ILLEGAL', `${this.name} was stopped while starting`));
      await this.#started?.catch(() => undefined);
    }
    try {
      await this.#component.stop?.();
    } finally {
      this.#move('stopped');
    }
  }

  #move(next: State): void {
    if (!NEXT[this.#state].includes(next)) {
      throw new AppError('STATE_ILLEGAL', `${this.name} cannot go from ${this.#state} to ${next}`);
    }
    this.#state = next;
    this.#log?.debug({ part: this.name, state: next }, 'state changed');
  }
}

/** An ordered group of components: started in order, drained and stopped in reverse. */
export class Supervisor implements AsyncDisposable {
  readonly #parts: Lifecycle[] = [];
  readonly #log: Log | null;

  constructor(log: Log | null = null) {
    this.#log = log;
  }

  /** Before `start`; the order of calls is the order of starts. */
  add(name: string, component: Component): Lifecycle {
    const part = new Lifecycle(name, component, this.#log);
    this.#parts.push(part);
    return part;
  }

  /** On an error: stops what started, in reverse, and rethrows it. */
  async start(): Promise<void> {
    for (const part of this.#parts) {
      try {
        await part.start();
      } catch (error) {
        await this.stop().catch((also: unknown) => this.#log?.error({ error: also }, 'stop after failed start failed'));
        throw error;
      }
    }
  }

  /** Drains in reverse until `deadline` aborts, then stops regardless; all errors in one AggregateError. */
  async drainAndStop(deadline: AbortSignal): Promise<void> {
    const over = aborted(deadline);
    for (const part of this.#parts.toReversed()) {
      if (deadline.aborted) break;
      await Promise.race([part.drain(deadline), over]).catch((error: unknown) =>
        this.#log?.error({ part: part.name, error }, 'drain failed'),
      );
    }
    await this.stop();
  }

  async stop(): Promise<void> {
    const errors: unknown[] = [];
    for (const part of this.#parts.toReversed()) {
      await part.stop().catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw new AggregateError(errors, errors.map(errorText).join('; '));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

import { once } from 'node:events';

import { type ClientDuplexStream, type ClientOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

import { AppError, type Clock, errorText, type Log } from '#core';

/** Pause before another try to reach the control plane: doubles from the first to the last, with jitter. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2000;

export const CHANNEL_OPTIONS: ClientOptions = {
  'grpc.max_receive_message_length': 64 << 20,
  'grpc.initial_reconnect_backoff_ms': FIRST_PAUSE_MS,
  'grpc.max_reconnect_backoff_ms': LAST_PAUSE_MS,
  'grpc.min_reconnect_backoff_ms': FIRST_PAUSE_MS,
};

export interface StreamHandlers<Request, Response> {
  /** Opens a new stream on the channel. */
  readonly open: (metadata: Metadata) => ClientDuplexStream<Request, Response>;
  /** The stream was opened: say who we are. It may still fail. */
  readonly onOpen: (send: (request: Request) => boolean) => void;
  readonly onMessage: (message: Response) => void;
  /** The stream ended; another try follows. Called once per opened stream. */
  readonly onLost: (reason: string) => void;
}

/** Unanswered, or without a stream, for so long the control plane counts as away (design section 6.9). */
export const AWAY_MS = 2000;

type Answer<Response> = (error: ServiceError | null, response: Response) => void;

/** One question to the control plane, one answer; rejects after 2 s, and at once where there is no connection. */
export function unary<Response>(
  call: (metadata: Metadata, options: { readonly deadline: number }, answer: Answer<Response>) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call(new Metadata(), { deadline: Date.now() + AWAY_MS }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** One stream to the control plane that is opened again whenever it ends. */
export class StreamLink<Request, Response> {
  readonly #name: string;
  readonly #handlers: StreamHandlers<Request, Response>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #halt = new AbortController();
  #call: ClientDuplexStream<Request, Response> | null = null;
  #loop: Promise<void> = Promise.resolve();
  #lastReason = '';

  constructor(name: string, handlers: StreamHandlers<Request, Response>, clock: Clock, log: Log) {
    this.#name = name;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Whether the stream took it and wants more; false also when there is no stream: what was sent may be lost. */
  readonly send = (request: Request): boolean => {
    const call = this.#call;
    return call !== null && call.write(request);
  };

  get open(): boolean {
    return this.#call !== null;
  }

  /** Resolves when the stream takes more again, or is gone. */
  async drained(): Promise<void> {
    const call = this.#call;
    if (!call || !call.writableNeedDrain) return;
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(call, 'drain', { signal }), once(call, 'close', { signal })]).catch(() => undefined);
    over.abort();
  }

  /** Ends the stream politely. */
  async stop(): Promise<void> {
    this.#halt.abort(new AppError('STATE_ILLEGAL', 'the link was stopped'));
    const call = this.#call;
    call?.end();
    call?.cancel();
    await this.#loop;
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#halt.signal.aborted) {
      const heard = await this.#once();
      pauseMs = heard ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LAST_PAUSE_MS);
      await this.#clock.sleep(pauseMs * (0.5 + Math.random()), this.#halt.signal).catch(() => undefined);
    }
  }

  /** One stream from open to end; resolves with whether anything came over it. */
  #once(): Promise<boolean> {
    return new Promise((resolve) => {
      const call = this.#handlers.open(new Metadata({ waitForReady: false }));
      let heard = false;
      let ended = false;
      const end = (reason: string): void => {
        if (ended) return;
        ended = true;
        this.#call = null;
        if (reason !== this.#lastReason && !this.#halt.signal.aborted) {
          this.#log.warn({ stream: this.#name, reason }, 'control plane stream ended');
        }
        this.#lastReason = reason;
        this.#handlers.onLost(reason);
        resolve(heard);
      };
      call.on('data', (message: Response) => {
        if (!heard) this.#log.info({ stream: this.#name }, 'control plane stream opened');
        heard = true;
        this.#lastReason = '';
        this.#receive(call, message);
      });
      call.on('error', (error) => end(errorText(error)));
      call.on('end', () => end('ended by the control plane'));
      this.#call = call;
      this.#handlers.onOpen(this.send);
    });
  }

  #receive(call: ClientDuplexStream<Request, Response>, message: Response): void {
    try {
      this.#handlers.onMessage(message);
    } catch (error) {
      this.#log.error({ stream: this.#name, error: errorText(error) }, 'control plane sent an unusable message');
      call.cancel();
    }
  }
}

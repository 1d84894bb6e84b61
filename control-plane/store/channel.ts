/** The main thread's end of a store thread: many calls in one message, answers find their callers. */
import { Worker } from 'node:worker_threads';

import { AppError, errorText } from '#core';

import type { Call, Reply, ThreadMessage, ThreadOptions } from './messages.ts';

type RequestFor<C> = C extends Call<infer Request, unknown> ? Request : never;
type AnswerFor<C> =
  C extends Call<never, infer Answer> ? Answer : C extends Call<unknown, infer Answer> ? Answer : never;

export interface Channel<Calls> {
  /** Rejects with the thread's AppError, or with STORE_FAILED when the thread is gone. */
  call<K extends keyof Calls>(kind: K, request: RequestFor<Calls[K]>): Promise<AnswerFor<Calls[K]>>;
  /** Waits for the end of the thread, which `close` has asked for; open calls reject. */
  end(): Promise<void>;
}

interface Waiting {
  settle(value: unknown): void;
  readonly reject: (error: AppError) => void;
}

/** Messages of a thread that are no replies. */
export type Unasked = Exclude<ThreadMessage, { kind: 'ready' | 'failed' | 'replies' }>;

/** For a thread that was told to close. */
const EXIT_MS = 2000;
const IN_SOURCE = import.meta.url.endsWith('.ts');

/** Starts `name` (`worker` or `reader`) and waits until it is ready; rejects with why it is not. */
export async function openChannel<Calls>(
  name: 'worker' | 'reader',
  options: ThreadOptions,
  onUnasked: (message: Unasked) => void,
): Promise<Channel<Calls>> {
  const file = new URL(`./${name}.${IN_SOURCE ? 'ts' : 'js'}`, import.meta.url);
  const worker = new Worker(file, { workerData: options, ...(IN_SOURCE ? { execArgv: ['--conditions=source'] } : {}) });
  const waiting = new Map<number, Waiting>();
  let outbox: { id: number; kind: keyof Calls; request: unknown }[] = [];
  let lastId = 0;
  let gone: AppError | null = null;
  let isReady = false;
  let isEnding = false;

  const fail = (reason: string): void => {
    gone ??= new AppError('STORE_FAILED', `store thread ${name} ${reason}`);
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
  };
  const settle = (reply: Reply): void => {
    const caller = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('failure' in reply) caller?.reject(new AppError(reply.failure.code, reply.failure.message));
    else caller?.settle(reply.value);
  };
  const flush = (): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(outbox);
    outbox = [];
  };

  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    worker.on('error', (error) => {
      fail(`broke: ${errorText(error)}`);
      reject(gone ?? error);
    });
    worker.on('exit', () => {
      fail('has ended');
      reject(gone ?? new Error('ended'));
      // Nothing works without it: the process ends and is started anew.
      if (isReady && !isEnding) throw gone ?? new Error('ended');
    });
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'replies') message.replies.forEach(settle);
      else if (message.kind === 'ready') {
        isReady = true;
        resolve();
      } else if (message.kind === 'failed') reject(new AppError(message.failure.code, message.failure.message));
      else onUnasked(message);
    });
  });

  return {
    call: (kind, request) =>
      new Promise((resolve, reject) => {
        if (gone) {
          reject(gone);
          return;
        }
        isEnding ||= kind === 'close';
        const id = ++lastId;
        waiting.set(id, { settle: resolve, reject });
        if (outbox.length === 0) setImmediate(flush);
        outbox.push({ id, kind, request });
      }),
    async end() {
      isEnding = true;
      const late = setTimeout(() => void worker.terminate(), EXIT_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

/** The message loop of a store thread: whatever arrived by now is handled together. */
import { parentPort, workerData } from 'node:worker_threads';

import { AppError } from '#core';

import { openingError } from './database.ts';
import { failureOf, type Reply, type ThreadMessage, type ThreadOptions } from './messages.ts';

export type Say = (message: ThreadMessage) => void;

export type Handle<Request> = (requests: readonly Request[]) => Reply[];

/** Opens the thread's part and says `ready`, or says why not and ends. `handle` answers each request, in order. */
export function serve<Request extends { readonly kind: string }>(
  open: (options: ThreadOptions, say: Say) => Handle<Request>,
): void {
  const port = parentPort;
  if (!port) throw new AppError('STATE_ILLEGAL', 'a store thread runs as a worker only');
  const say: Say = (message) => port.postMessage(message);
  const options: ThreadOptions = workerData;
  let handle: Handle<Request>;
  try {
    handle = open(options, say);
  } catch (error) {
    say({ kind: 'failed', failure: failureOf(openingError(options.path, error)) });
    return;
  }

  let waiting: Request[] = [];
  const run = (): void => {
    const requests = waiting;
    waiting = [];
    say({ kind: 'replies', replies: handle(requests) });
    // Nothing is left to hear: the thread ends by itself, in its own order.
    if (requests.some(({ kind }) => kind === 'close')) port.close();
  };
  port.on('message', (requests: readonly Request[]) => {
    if (waiting.length === 0) setImmediate(run);
    for (const request of requests) waiting.push(request);
  });
  say({ kind: 'ready' });
}

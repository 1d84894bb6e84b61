/** Waiting with an end. */
import type { Clock } from '#core';

/** Why nothing is waited for any more; made once, for an abort makes an expensive one otherwise. */
const ENDED = new Error('ended');

/** The reason of an aborted signal, as something that can be thrown. */
export function abortReason({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/**
 * A promise that `begin` settles, or the signal by aborting; then, or when the signal has aborted already, what `begin`
 * returned cleans up and the promise rejects with the signal's reason.
 */
export function abortable<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal));
      return;
    }
    const over = new AbortController();
    const cleanUp = begin(
      (value) => {
        over.abort(ENDED);
        resolve(value);
      },
      (error) => {
        over.abort(ENDED);
        reject(error);
      },
    );
    const onAbort = (): void => {
      cleanUp?.();
      reject(abortReason(signal));
    };
    signal.addEventListener('abort', onAbort, { once: true, signal: over.signal });
  });
}

/** Runs `work` under a signal that also aborts after `ms`; null when that, and not `signal`, ended it. */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  signal.throwIfAborted();
  const own = new AbortController();
  const follow = (): void => own.abort(abortReason(signal));
  signal.addEventListener('abort', follow, { once: true });
  let over = false;
  const expire = (): void => {
    over = true;
    own.abort(new Error(`not within ${ms} ms`));
  };
  clock.sleep(ms, own.signal).then(expire, () => undefined);
  try {
    return await work(own.signal);
  } catch (error) {
    if (!over) throw error;
    return null;
  } finally {
    signal.removeEventListener('abort', follow);
    own.abort(ENDED);
  }
}

/** Waiting with an end. */
import { abortReason, type Clock, whenAborted } from '#core';

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
    let unfollow: (() => void) | null = null;
    let settled = false;
    const settle = (): void => {
      settled = true;
      unfollow?.();
    };
    const cleanUp = begin(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
    if (settled) return;
    unfollow = whenAborted(signal, () => {
      cleanUp?.();
      reject(abortReason(signal));
    });
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
  const unfollow = whenAborted(signal, () => own.abort(abortReason(signal)));
  let over = false;
  const cancel = clock.after(ms, () => {
    over = true;
    own.abort(new Error(`not within ${ms} ms`));
  });
  try {
    return await work(own.signal);
  } catch (error) {
    if (!over) throw error;
    return null;
  } finally {
    unfollow();
    cancel();
  }
}

/** Runs `work` under a signal that aborts with the first of both. As `AbortSignal.any`, which is many times as expensive. */
export async function underBoth<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const unfollow = [one, other].map((signal) => whenAborted(signal, () => own.abort(abortReason(signal))));
  try {
    return await work(own.signal);
  } finally {
    for (const end of unfollow) end();
  }
}

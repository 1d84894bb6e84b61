import { whenAborted } from './when-aborted.ts';

/** Time as the rest of the code sees it, so that tests own it. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. For people and for other machines; never for measuring. */
  now(): number;
  /** Monotonic milliseconds with a fraction; counts while the machine is awake. For leases and durations. */
  monotonic(): number;
  /** Calls `call` after `ms`, unless what it returns is called before. The timer keeps no process alive. */
  after(ms: number, call: () => void): () => void;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. The timer keeps no process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: timer,
  sleep: (ms, signal) => sleepOn(timer, ms, signal),
};

/** `sleep` of a clock that has `after`. */
export function sleepOn(after: Clock['after'], ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!signal) {
      after(ms, resolve);
      return;
    }
    const cancel = after(ms, () => {
      unfollow();
      resolve();
    });
    const unfollow = whenAborted(signal, () => {
      cancel();
      reject(abortReason(signal));
    });
  });
}

/** The reason of an aborted signal, as something that can be thrown. */
export function abortReason({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function timer(ms: number, call: () => void): () => void {
  let timeout = start(ms);
  function start(left: number): NodeJS.Timeout {
    const next = left > LONGEST_TIMER_MS ? () => (timeout = start(left - LONGEST_TIMER_MS)) : call;
    return setTimeout(next, Math.min(left, LONGEST_TIMER_MS)).unref();
  }
  return () => clearTimeout(timeout);
}

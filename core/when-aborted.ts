/** Calls that follow a signal. */
const followers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `call` when the signal aborts, at once where it has; what it returns ends that. However many follow, the signal has one
 * listener: an EventTarget looks through all it has for each that comes or goes.
 * `call` must not throw: an error of one is uncaught, and the others are called all the same.
 */
export function whenAborted(signal: AbortSignal, call: () => void): () => void {
  if (signal.aborted) {
    call();
    return nothing;
  }
  const known = followers.get(signal);
  const calls = known ?? followed(signal);
  // A function of its own, so that the same call can follow twice.
  const follower = (): void => call();
  calls.add(follower);
  return () => void calls.delete(follower);
}

function followed(signal: AbortSignal): Set<() => void> {
  const calls = new Set<() => void>();
  followers.set(signal, calls);
  const aborted = (): void => {
    followers.delete(signal);
    for (const call of calls) {
      try {
        call();
      } catch (error) {
        // Thrown where an event's listener would throw it: for all to see, and after the others were called.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  };
  signal.addEventListener('abort', aborted, { once: true });
  return calls;
}

const nothing = (): void => undefined;

import { setTimeout as pause } from 'node:timers/promises';

export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/** Repeats `probe` until it neither throws nor gives false, and returns what it gave; the only place where a test sleeps. */
export async function eventually<T>(probe: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { timeoutMs = 5000, intervalMs = 5 } = options;
  const end = performance.now() + timeoutMs;
  for (;;) {
    let problem: unknown;
    try {
      const value = await probe();
      if (value !== false) return value;
      problem = new Error('it stayed false');
    } catch (error) {
      problem = error;
    }
    if (performance.now() >= end) throw new Error(`not within ${timeoutMs} ms`, { cause: problem });
    await pause(intervalMs);
  }
}

import { getEventListeners } from 'node:events';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { systemClock } from '#core';

describe('the system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Whether the promise has an end by now. */
  function watch(promise: Promise<void>): { ended: string | null } {
    const seen: { ended: string | null } = { ended: null };
    promise.then(
      () => (seen.ended = 'resolved'),
      (error: Error) => (seen.ended = error.message),
    );
    return seen;
  }

  it('tells the time of day and a time that only rises', () => {
    expect(systemClock.now()).toBe(Date.now());
    const before = systemClock.monotonic();
    vi.advanceTimersByTime(5);
    expect(systemClock.monotonic() - before).toBeCloseTo(5);
  });

  it('sleeps as long as it is told', async () => {
    const sleep = watch(systemClock.sleep(1000, new AbortController().signal));
    await vi.advanceTimersByTimeAsync(999);
    expect(sleep.ended).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    expect(sleep.ended).toBe('resolved');
  });

  it('sleeps longer than one timer can', async () => {
    const ms = 60 * 86_400_000;
    const sleep = watch(systemClock.sleep(ms));
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(sleep.ended).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    expect(sleep.ended).toBe('resolved');
  });

  it('wakes with the reason of the signal and leaves no timer', async () => {
    const controller = new AbortController();
    const sleep = watch(systemClock.sleep(1000, controller.signal));
    controller.abort(new Error('enough'));
    await vi.advanceTimersByTimeAsync(0);
    expect(sleep.ended).toBe('enough');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not fall asleep under an aborted signal, whatever its reason is', async () => {
    await expect(systemClock.sleep(1000, AbortSignal.abort('words'))).rejects.toThrow('words');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves one listener on the signal, however often it slept', async () => {
    const { signal } = new AbortController();
    for (let count = 0; count < 10; count++) {
      const sleep = systemClock.sleep(1, signal);
      await vi.advanceTimersByTimeAsync(1);
      await sleep;
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  });
});

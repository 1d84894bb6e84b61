import { getEventListeners } from 'node:events';

import { describe, expect, it, vi } from 'vitest';

import { whenAborted } from '#core';

describe('a call that follows a signal', () => {
  it('is made once, when the signal aborts, in the order in which they came', () => {
    const calls: string[] = [];
    const controller = new AbortController();
    whenAborted(controller.signal, () => calls.push('a'));
    whenAborted(controller.signal, () => calls.push('b'));
    expect(calls).toEqual([]);
    controller.abort();
    controller.abort();
    expect(calls).toEqual(['a', 'b']);
  });

  it('is made at once when the signal has aborted', () => {
    const calls: string[] = [];
    whenAborted(AbortSignal.abort(), () => calls.push('a'))();
    expect(calls).toEqual(['a']);
  });

  it('is not made after it was ended, also by another call', () => {
    const calls: string[] = [];
    const controller = new AbortController();
    const say = (): void => void calls.push('said');
    const end = whenAborted(controller.signal, say);
    whenAborted(controller.signal, say);
    const endOther = whenAborted(controller.signal, () => end());
    endOther();
    end();
    whenAborted(controller.signal, () => endLast());
    const endLast = whenAborted(controller.signal, say);
    controller.abort();
    expect(calls).toEqual(['said']);
  });

  it('is made also where one before it throws, whose error is thrown afterwards', () => {
    const calls: string[] = [];
    const controller = new AbortController();
    const later: (() => void)[] = [];
    vi.stubGlobal('queueMicrotask', (call: () => void) => void later.push(call));
    whenAborted(controller.signal, () => {
      throw new Error('broken follower');
    });
    whenAborted(controller.signal, () => calls.push('b'));
    controller.abort();
    vi.unstubAllGlobals();
    expect(calls).toEqual(['b']);
    expect(later).toHaveLength(1);
    expect(later[0]).toThrow('broken follower');
  });

  it('costs the signal one listener, however many there are', () => {
    const controller = new AbortController();
    for (let count = 0; count < 1000; count++) whenAborted(controller.signal, () => undefined);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  });
});

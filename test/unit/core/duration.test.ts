import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { durationMs, durationText } from '#core';

describe('durations', () => {
  it.each([
    ['5s', 5000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['300ms', 300],
    ['0s', 0],
  ])('reads %s', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  it.each(['', '5', '5 sec', '-5s', '1.5s', '5S', ' 5s', '5s ', '5s5s', '5y', '5s\n', '1e3s', '99999999999999d'])(
    'refuses %j',
    (text) => {
      expect(durationMs(text)).toBeUndefined();
    },
  );

  it('reads back exactly what it writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (ms) => {
        expect(durationMs(durationText(ms))).toBe(ms);
      }),
    );
  });

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [90_000, '90s'],
    [600_000, '10m'],
    [86_400_000, '1d'],
  ])('writes %d in the shortest exact form', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { deepFreeze, isObject, pointerKey, pointerKeys, valueAt } from '../../../core/pointer.ts';

describe('JSON pointers', () => {
  it('keep every key, whatever is in it', () => {
    const keys = fc.array(fc.oneof(fc.string(), fc.constantFrom('~', '/', '~1', '~0', '~01', '')));
    fc.assert(
      fc.property(keys, (keys) => {
        expect(pointerKeys(keys.map((key) => `/${pointerKey(key)}`).join(''))).toEqual(keys);
      }),
    );
  });

  it.each([
    ['', { 'a/b': [{ '~': 7 }] }],
    ['/a~1b/0/~0', 7],
    ['/a~1b/1', undefined],
    ['/a~1b/0/~0/deeper', undefined],
    ['/constructor', undefined],
    ['/nothing/at/all', undefined],
  ])('find what is at %j', (pointer, found) => {
    expect(valueAt({ 'a/b': [{ '~': 7 }] }, pointer)).toEqual(found);
  });
});

describe('plain data', () => {
  it('is frozen to its depth', () => {
    const value = deepFreeze({ a: [{ b: 1 }], c: null, d: 'x' });
    expect(Object.isFrozen(value.a[0])).toBe(true);
    expect(deepFreeze(value)).toBe(value);
  });

  it('has objects, which are neither lists nor null', () => {
    expect([{}, [], null, 'x', undefined].map(isObject)).toEqual([true, false, false, false, false]);
  });
});

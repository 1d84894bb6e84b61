import { describe, expect, it } from 'vitest';

import { nearest } from '#core';

import { didYouMean } from '../../../core/nearest.ts';

describe('the nearest word', () => {
  it.each([
    ['interfce', 'interface'],
    ['INTERFACE', 'interface'],
    ['namespac', 'namespace'],
    ['nme', 'name'],
    ['timeuot', 'timeout'],
  ])('to %s is %s', (word, found) => {
    expect(nearest(word, ['name', 'namespace', 'interface', 'timeout'])).toBe(found);
  });

  it('is the first of equals', () => {
    expect(nearest('nam', ['nab', 'name'])).toBe('nab');
  });

  it.each(['', 'x', 'completely different', 'i'.repeat(100_000)])('does not exist for %.20s', (word) => {
    expect(nearest(word, ['interface', 'namespace'])).toBeUndefined();
  });

  it('is proposed at the end of a message', () => {
    expect(didYouMean('interfce', ['interface'])).toBe('; did you mean "interface"?');
    expect(didYouMean('interfce', [])).toBe('');
  });
});

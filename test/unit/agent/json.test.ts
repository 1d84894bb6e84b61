import { describe, expect, it } from 'vitest';

import { bounded, plainJson } from '../../../agent/json.ts';

describe('plain data of whatever a program hands over', () => {
  const circle: Record<string, unknown> = { name: 'c' };
  circle.self = circle;
  circle.list = [circle];
  const shared = { x: 1 };

  it.each<[string, unknown, unknown]>([
    ['is itself', { a: [1, 'x', true, null] }, { a: [1, 'x', true, null] }],
    ['has text for what JSON has no form for', [1n, Number.NaN, Infinity], ['1', 'NaN', 'Infinity']],
    ['leaves out what is nothing', { a: undefined, b: () => 1, c: Symbol('x') }, {}],
    ['keeps the places of a list', [undefined, () => 1, 2], [null, null, 2]],
    ['names a circle', circle, { name: 'c', self: '[circular]', list: ['[circular]'] }],
    ['has what is used twice twice', [shared, shared], [shared, shared]],
    [
      'has dates and addresses as JSON has them',
      [new Date(0), new URL('http://x/')],
      ['1970-01-01T00:00:00.000Z', 'http://x/'],
    ],
    [
      'has maps, sets, errors and bytes',
      [new Map([['k', 1n]]), new Set([1]), new TypeError('no'), new Uint8Array(3)],
      [[['k', '1']], [1], { name: 'TypeError', message: 'no' }, '[3 bytes]'],
    ],
  ])('%s', (_name, value, expected) => {
    expect(plainJson(value)).toEqual(expected);
  });

  it('never throws', () => {
    const hostile = {
      get secret(): never {
        throw new Error('not yours');
      },
      toJSON: 7,
      date: new Date(Number.NaN),
      own: {
        toJSON() {
          throw new Error('no JSON');
        },
      },
      itself: {
        toJSON() {
          return this;
        },
      },
    };
    expect(plainJson(hostile)).toEqual({
      secret: '[unreadable: not yours]',
      toJSON: 7,
      date: null,
      own: '[unreadable: no JSON]',
      itself: '[circular]',
    });
    let deep: unknown = 'bottom';
    for (let level = 0; level < 10_000; level++) deep = { deep };
    expect(JSON.stringify(plainJson(deep))).toContain('[too deep]');
  });
});

describe('L42: a result in an event', () => {
  it.each([0, '', false, null])('%j is kept', (value) => {
    expect(bounded(value, 10)).toEqual({ value, fullSize: null });
  });

  it('is null where there is none', () => {
    expect(bounded(undefined, 10)).toEqual({ value: null, fullSize: null });
  });

  it('is cut where it is long, whatever it is', () => {
    expect(bounded('x'.repeat(11), 10)).toEqual({ value: `${'x'.repeat(10)}…`, fullSize: 11 });
    expect(bounded({ list: [1, 2, 3] }, 10)).toEqual({ value: '{"list":[1…', fullSize: 16 });
    expect(bounded({ a: 1 }, 10)).toEqual({ value: { a: 1 }, fullSize: null });
  });
});

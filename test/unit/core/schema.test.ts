import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checkConfig, Choice, ConfigError, Duration, durationText, parseConfig, type Schema, Type } from '#core';

import { thrownBy } from './kit.ts';

const timeout = Duration({ default: '5s', minimum: '100ms', maximum: '1h', description: 'Limit.' });
const closed = { additionalProperties: false };

/** `path message (expected …)` of every issue. */
function issues(schema: Schema, input: unknown): string[] {
  return checkConfig(schema, input).issues.map(
    ({ path, message, expected }) => `${path} ${message}${expected === undefined ? '' : ` (expected ${expected})`}`,
  );
}

describe('parsing a configuration', () => {
  const schema = Type.Object(
    {
      url: Type.String({ pattern: '^https?://' }),
      timeout,
      tags: Type.Array(Type.String(), { default: [] }),
      nested: Type.Object({ size: Type.Integer({ default: 3 }) }, { ...closed, default: {} }),
    },
    closed,
  );

  it('fills defaults in, at every depth', () => {
    const config = parseConfig(schema, { url: 'http://h' }, 'x');
    expect(config).toEqual({ url: 'http://h', timeout: 5000, tags: [], nested: { size: 3 } });
  });

  it('freezes deeply and leaves the input and the defaults as they are', () => {
    const input = { url: 'http://h', tags: ['a'] };
    const config = parseConfig(schema, input, 'x');
    expect([config, config.tags, config.nested].every(Object.isFrozen)).toBe(true);
    expect(input).toEqual({ url: 'http://h', tags: ['a'] });
    expect(Object.isFrozen(input.tags)).toBe(false);
    expect(parseConfig(schema, { url: 'http://h' }, 'x').tags).not.toBe(config.tags);
  });

  it('throws every issue at once', () => {
    const error = thrownBy(() =>
      parseConfig(schema, { url: 'ftp', typo: 1, timeout: '1ms' }, 'action "webhook/alerts"'),
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
      'invalid action "webhook/alerts": /timeout must be at least 100ms; /typo is not a known key, expected one of url, timeout, tags, nested; ' +
        '/url must match pattern "^https?://"',
    );
  });

  it('tells more problems than anyone wants to read, but not all of a hostile input', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1]));
    expect(issues(schema, { url: 'http://h', ...many(100) })).toHaveLength(100);
    expect(issues(Type.Array(Type.String()), Array(5000).fill(1))).toHaveLength(1000);
  });

  it.each([[null], [5], ['text'], [[]], [undefined]])('refuses %j where a map belongs', (input) => {
    expect(issues(schema, input)).toEqual([' must be a map']);
  });

  it('takes no key from a prototype', () => {
    const hostile: unknown = JSON.parse('{ "url": "http://h", "__proto__": { "timeout": 200 } }');
    expect(issues(schema, hostile)).toEqual([
      '/__proto__ is not a known key (expected one of url, timeout, tags, nested)',
    ]);
  });
});

describe('the text of an issue', () => {
  it.each<[string, Schema, unknown, string[]]>([
    ['a type', Type.Object({ a: Type.Boolean() }), { a: 'yes' }, ['/a must be true or false']],
    ['a whole number', Type.Object({ a: Type.Integer() }), { a: 1.5 }, ['/a must be a whole number']],
    ['a number', Type.Object({ a: Type.Number() }), { a: '1' }, ['/a must be a number']],
    ['a text', Type.Object({ a: Type.String() }), { a: 1 }, ['/a must be text']],
    ['a list', Type.Object({ a: Type.Array(Type.String()) }), { a: 'b' }, ['/a must be a list']],
    ['one of several types', Type.Unsafe({ type: ['string', 'object'] }), 1, [' must be text or a map']],
    ['another type', Type.Null(), 1, [' must be null']],
    ['a constant', Type.Object({ a: Type.Literal('x') }), { a: 'y' }, ['/a must be "x"']],
    ['a missing key', Type.Object({ 'a/b': Type.String() }), {}, ['/a~1b is required']],
    ['an empty text', Type.Object({ a: Type.String({ minLength: 1 }) }), { a: '' }, ['/a must not be empty']],
    [
      'an empty list',
      Type.Object({ a: Type.Array(Type.String(), { minItems: 1 }) }),
      { a: [] },
      ['/a must not be empty'],
    ],
    ['a short list', Type.Array(Type.String(), { minItems: 2 }), [], [' must not have fewer than 2 items']],
    ['a range', Type.Object({ a: Type.Integer({ maximum: 3 }) }), { a: 4 }, ['/a must be <= 3']],
    [
      'an unknown word',
      Type.Object({ a: Choice(['audit', 'enforce'], { description: 'x' }) }),
      { a: 'audot' },
      ['/a must be one of "audit", "enforce"; did you mean "audit"?'],
    ],
    [
      'no word at all',
      Choice(['audit', 'enforce'], { description: 'x' }),
      null,
      [' must be text', ' must be one of "audit", "enforce"'],
    ],
    [
      'an unknown key',
      Type.Object({ a: Type.Object({ timeout: Type.Integer() }, closed) }, closed),
      { a: { timeout: 1, timeuot: 2 } },
      ['/a/timeuot is not a known key; did you mean "timeout"? (expected one of timeout)'],
    ],
    ['a key where none is known', Type.Object({}, closed), { a: 1 }, ['/a is not a known key (expected no keys)']],
    [
      'a key in a list of maps',
      Type.Array(Type.Object({ name: Type.Optional(Type.String()) }, closed)),
      [{}, { nmae: 1 }],
      ['/1/nmae is not a known key; did you mean "name"? (expected one of name)'],
    ],
    [
      'a bad name of a record',
      Type.Record(Type.String(), Type.Integer(), { propertyNames: { type: 'string', pattern: '^[a-z]+$' } }),
      { A: 1, b: 2 },
      ['/A is not an allowed key'],
    ],
    [
      'a pattern with words of its own',
      Type.Object({ a: Type.String({ pattern: '^x$', 'x-expected': 'an x' }) }),
      { a: 'y'.repeat(100) },
      [`/a "${'y'.repeat(59)}… is not allowed (expected an x)`],
    ],
    ['a pattern', Type.Object({ a: Type.String({ pattern: '^x$' }) }), { a: 'y' }, ['/a must match pattern "^x$"']],
  ])('about %s is for people', (_, schema, input, texts) => {
    expect(issues(schema, input)).toEqual(texts);
  });
});

describe('a duration in a configuration', () => {
  const schema = Type.Object(
    {
      timeout,
      optional: Type.Optional(Duration({ description: 'x' })),
      nested: Type.Optional(Type.Object({ inner: Duration({ description: 'x' }) })),
      list: Type.Optional(Type.Array(Duration({ description: 'x' }))),
    },
    closed,
  );

  it.each([
    [{}, { timeout: 5000 }],
    [{ timeout: undefined }, { timeout: 5000 }],
    [{ timeout: '10m' }, { timeout: 600_000 }],
    [{ timeout: 250 }, { timeout: 250 }],
    [{ optional: '1s' }, { timeout: 5000, optional: 1000 }],
    [{ nested: { inner: '1s' } }, { timeout: 5000, nested: { inner: 1000 } }],
    [{ list: ['1s', 2] }, { timeout: 5000, list: [1000, 2] }],
  ])('in %j is parsed to milliseconds', (input, value) => {
    expect(parseConfig(schema, input, 'x')).toEqual(value);
  });

  const like = 'is no duration (expected like "5s", "10m" or milliseconds)';

  it.each([
    [{ timeout: '5 sec' }, [`/timeout "5 sec" ${like}`]],
    [{ timeout: 1.5 }, [`/timeout 1.5 ${like}`]],
    [{ timeout: -5 }, [`/timeout -5 ${like}`]],
    [{ timeout: 1e300 }, [`/timeout 1e+300 ${like}`]],
    [{ timeout: null }, [`/timeout null ${like}`]],
    [{ timeout: ['5s'] }, [`/timeout ["5s"] ${like}`]],
    [{ timeout: Number.NaN }, [`/timeout NaN ${like}`]],
    [{ timeout: 10n }, ['/timeout 10 is no duration (expected like "5s", "10m" or milliseconds)']],
    [{ timeout: '99ms' }, ['/timeout must be at least 100ms']],
    [{ timeout: '2h' }, ['/timeout must be at most 1h']],
    [
      { optional: 'x', nested: { inner: 'y' }, list: ['1s', 'z'] },
      [`/optional "x" ${like}`, `/nested/inner "y" ${like}`, `/list/1 "z" ${like}`],
    ],
    [{ nested: [], list: {} }, ['/nested must be a map', '/list must be a list']],
  ])('in %o is refused once, in words', (input, texts) => {
    expect(issues(schema, input)).toEqual(texts);
  });

  it('parses to the same, written as text or number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 3_600_000 }), (ms) => {
        expect(parseConfig(timeout, durationText(ms), 'x')).toBe(ms);
        expect(parseConfig(timeout, ms, 'x')).toBe(ms);
      }),
    );
  });

  it('refuses a schema whose own limits are no durations', () => {
    expect(() => Duration({ description: 'x', default: '5 sec' })).toThrow('"5 sec" is no duration');
  });
});

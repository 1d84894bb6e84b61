import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createHook, digestOf, EventHookSpec, type Hook, hookId, parseConfig, whenUncoordinated } from '#core';

function hook(spec: object = {}, parts: Partial<Hook> = {}): Hook {
  const parsed = parseConfig(EventHookSpec, { actions: [{ type: 'webhook' }], ...spec }, 'spec');
  return createHook({ namespace: 'trotline', name: 'a', form: 'EventHook', origin: null, ...parts, spec: parsed });
}

/** The same value with the keys of every map in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, part]) => [key, reordered(part)]),
  );
}

describe('a digest', () => {
  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(digestOf(reordered(value))).toBe(digestOf(value));
      }),
    );
  });

  it('depends on everything else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(digestOf(a) === digestOf(b)).toBe(isDeepStrictEqual(asJson(a), asJson(b)));
      }),
    );
  });

  it('is SHA-256 in hex', () => {
    expect(digestOf({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  });
});

/** Without what JSON cannot say: -0. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

describe('a hook', () => {
  it('is frozen, with every default', () => {
    const { spec, ...made } = hook();
    expect(Object.isFrozen(spec.actions[0]?.config)).toBe(true);
    expect(hookId({ ...made })).toBe('trotline/a');
    expect(spec).toEqual({
      source: '',
      eventTypes: [],
      condition: '',
      enabled: true,
      mode: 'enforce',
      giveUpAfter: 900_000,
      onInterrupt: 'repeat',
      run: 'async',
      actions: [{ type: 'webhook', config: {} }],
    });
  });

  it('has the defaults of deduplication once it is asked for', () => {
    expect(hook({ dedup: {} }).spec.dedup).toEqual({ window: 600_000, scope: 'cluster' });
  });

  it('has a digest of its form and spec, not of its name or place', () => {
    const { digest } = hook();
    expect(hook({}, { name: 'b', origin: { file: 'b.yaml', line: 3 } }).digest).toBe(digest);
    expect(hook({}, { form: 'nlmon' }).digest).not.toBe(digest);
    expect(hook({ mode: 'audit' }).digest).not.toBe(digest);
  });

  it.each([
    [{}, 'act'],
    [{ actions: [{ type: 'script' }, { type: 'a2a' }] }, 'wait'],
    [{ actions: [{ type: 'a2a' }], whenUncoordinated: 'drop' }, 'drop'],
  ])('of %j without a control plane will %s', (spec, will) => {
    expect(whenUncoordinated(hook(spec))).toBe(will);
  });
});

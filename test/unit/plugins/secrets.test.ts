import { describe, expect, it } from 'vitest';

import { EventHookSpec, type ObjectSchema, parseConfig, Type } from '#core';

import { concealer, missingSecrets, redact, resolveSecrets, Secret } from '../../../plugins/secrets.ts';

const schema = Type.Object(
  {
    name: Type.String(),
    key: Type.Optional(Secret({ description: 'A key.', pattern: '^[a-z-]+$' })),
    more: Type.Record(Type.String(), Secret({ description: 'A value.' }), { default: {} }),
    list: Type.Array(Type.Object({ key: Secret({ description: 'A key.' }) }), { default: [] }),
  },
  { additionalProperties: false },
);
const SCHEMAS = new Map<string, ObjectSchema>([['call', schema]]);

function specWith(...configs: object[]): EventHookSpec {
  return parseConfig(EventHookSpec, { actions: configs.map((config) => ({ type: 'call', config })) }, 'spec');
}

function resolved(config: object) {
  const store = new Map([
    ['KEY', 'from-env'],
    ['BAD', 'NOT FITTING'],
    ['/run/key', 'from-file\n'],
    ['hooks/token', 'from-secret\n'],
  ]);
  const { spec, problems } = resolveSecrets(specWith(config), SCHEMAS, (reference) => {
    const name =
      'env' in reference
        ? reference.env
        : 'file' in reference
          ? reference.file
          : `${reference.secretRef.name}/${reference.secretRef.key}`;
    const value = store.get(name);
    if (value === undefined) throw new Error(`${name} is not set`);
    return value;
  });
  return { config: spec.actions[0]?.config, problems };
}

describe('secrets of a hook', () => {
  it('are filled in wherever the schema has them', () => {
    const list = [{ key: { secretRef: { name: 'hooks', key: 'token' } } }];
    const references = { name: 'a', key: { env: 'KEY' }, more: { 'x/y': { file: '/run/key' } }, list };
    expect(resolved(references)).toEqual({
      config: { name: 'a', key: 'from-env', more: { 'x/y': 'from-file' }, list: [{ key: 'from-secret' }] },
      problems: [],
    });
  });

  it('stay references with a problem when they cannot be read', () => {
    const references = { name: 'a', more: { 'x/y': { env: 'GONE' } }, list: [] };
    const message = 'secret cannot be read: GONE is not set';
    expect(resolved(references)).toEqual({
      config: references,
      problems: [{ path: '/actions/0/config/more/x~1y', message }],
    });
  });

  it('stay references when the value does not fit, and the problem does not show it', () => {
    const { config, problems } = resolved({ name: 'a', key: { env: 'BAD' } });
    expect(config).toMatchObject({ key: { env: 'BAD' } });
    expect(problems).toMatchObject([{ path: '/actions/0/config/key' }]);
    expect(JSON.stringify(problems)).not.toContain('NOT FITTING');
  });

  it('leave everything else and the given spec as they are', () => {
    const spec = specWith({ name: 'a', key: { env: 'KEY' } });
    const before = structuredClone(spec);
    const after = resolveSecrets(spec, new Map(), () => 'x').spec;
    expect(spec).toEqual(before);
    expect(after).toEqual(before);
  });

  it('are shown as [redacted], references as what they are', () => {
    const config = { name: 'a', key: 'b', more: { c: 'd', e: { env: 'KEY' } }, list: [{ key: 'f' }] };
    expect(redact(schema, config)).toEqual({
      name: 'a',
      key: '[redacted]',
      more: { c: '[redacted]', e: { env: 'KEY' } },
      list: [{ key: '[redacted]' }],
    });
  });

  it('are missing while they are references, and after they were redacted', () => {
    const config = { name: 'a', key: 'b', more: { c: '[redacted]' }, list: [{ key: { env: 'KEY' } }] };
    expect(missingSecrets(schema, config)).toEqual(['/more/c', '/list/0/key']);
    expect(missingSecrets(schema, { name: 'a' })).toEqual([]);
  });

  it('are taken out of texts, but for words of everyday', () => {
    const conceal = concealer(schema, { name: 'a', key: 'abcdefgh', more: { c: 'get' } });
    expect(conceal('get abcdefgh, abcdefgh')).toBe('get [redacted], [redacted]');
  });
});

import { describe, expect, it } from 'vitest';

import { checkConfig, eventHookJsonSchema, EventHookSpec, isObject, type ObjectSchema } from '#core';

import { read } from './kit.ts';

type Node = Record<string, unknown>;

/** Every schema inside a schema, with its path. */
function nodes(schema: Node, path = ''): [string, Node][] {
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  const inner = isObject(schema.items) ? [...properties, ['[]', schema.items] as const] : properties;
  return [[path, schema], ...inner.flatMap(([key, part]) => (isObject(part) ? nodes(part, `${path}/${key}`) : []))];
}

function at(path: string): Node {
  return nodes(eventHookJsonSchema()).find(([here]) => here === path)?.[1] ?? {};
}

describe('the JSON Schema of EventHook', () => {
  it('is plain data of draft 2020-12', () => {
    const schema = eventHookJsonSchema();
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
    const known = new Set(
      '$schema $id title type description properties required additionalProperties items default enum const pattern minLength maxLength minimum maximum minItems maxItems'.split(
        ' ',
      ),
    );
    for (const [path, node] of nodes(schema)) {
      expect(
        Object.keys(node).filter((key) => !known.has(key)),
        path,
      ).toEqual([]);
    }
  });

  it('describes every key', () => {
    const silent = nodes(eventHookJsonSchema()).filter(
      ([path, { description }]) => !path.endsWith('[]') && typeof description !== 'string',
    );
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  it('takes a duration as text or milliseconds, with a default as people write it', () => {
    expect(at('/spec/giveUpAfter')).toEqual({
      type: ['string', 'integer'],
      pattern: '^(\\d+)(ms|s|m|h|d)$',
      minimum: 1000,
      default: '15m',
      description: expect.any(String),
    });
    expect(at('/spec/limit/per')).not.toHaveProperty('default');
  });

  it('requires what has no default', () => {
    expect(at('').required).toEqual(['apiVersion', 'kind', 'metadata', 'spec']);
    expect(at('/metadata').required).toEqual(['name']);
    expect(at('/spec').required).toEqual(['actions']);
    expect(at('/spec/dedup').required).toBeUndefined();
    expect(at('/spec/actions/[]').required).toEqual(['type']);
  });

  it('has the defaults that parsing fills in', () => {
    const { partial } = checkConfig(EventHookSpec, {});
    const filled = Object.keys(partial as object).sort();
    const shown = Object.keys(EventHookSpec.properties).filter((key) => at(`/spec/${key}`).default !== undefined);
    expect(shown.sort()).toEqual(filled);
  });

  it('names the same keys as the check does', () => {
    const { refused } = read(
      'apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: a }\nspec: { x: 1 }',
    );
    const spec = at('/spec').properties as ObjectSchema['properties'];
    expect(refused[0]?.issues.find(({ path }) => path === '/spec/x')?.expected).toBe(
      `one of ${Object.keys(spec).join(', ')}`,
    );
  });
});

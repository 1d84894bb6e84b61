/** The EventHook form for other tools: editors, the CRD, the docs. */
import { DURATION_PATTERN, durationText } from './duration.ts';
import { EventHookDocument, EventHookSpec } from './event-hook.ts';
import { isObject } from './pointer.ts';

/**
 * The whole document as plain JSON Schema 2020-12, as people write it: durations are text or whole milliseconds, and a key
 * with a default may be left out.
 */
export function eventHookJsonSchema(): Record<string, unknown> {
  const { properties, required } = EventHookDocument;
  const spec = { ...EventHookSpec, description: 'Which events, and what happens.' };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://trotline.dev/schemas/v1alpha1/eventhook.json',
    title: 'EventHook',
    description: 'Which events matter and what happens.',
    ...written({ type: 'object', required: [...required, 'spec'], properties: { ...properties, spec } }),
    additionalProperties: false,
  };
}

/** A schema of parsed values as the schema of what people write. */
export function written(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if ('x-duration' in schema) return writtenDuration(schema);
  const { properties, required, items } = schema;
  const plain = Object.fromEntries(Object.entries(schema).filter(([key]) => !key.startsWith('x-')));
  if (isObject(items)) plain.items = written(items);
  if (!isObject(properties)) return plain;
  plain.properties = Object.fromEntries(
    Object.entries(properties).map(([key, part]) => [key, isObject(part) ? written(part) : part]),
  );
  const needed = (Array.isArray(required) ? required : []).filter((key) => !hasDefault(properties, key));
  plain.required = needed;
  if (needed.length === 0) delete plain.required;
  return plain;
}

function writtenDuration({
  description,
  minimum,
  maximum,
  default: fallback,
}: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    type: ['string', 'integer'],
    pattern: DURATION_PATTERN,
    minimum,
    ...(maximum === undefined ? {} : { maximum }),
    ...(typeof fallback === 'number' ? { default: durationText(fallback) } : {}),
    description,
  };
}

function hasDefault(properties: Readonly<Record<string, unknown>>, key: unknown): boolean {
  const part = properties[String(key)];
  return isObject(part) && part.default !== undefined;
}

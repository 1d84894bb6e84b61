/** The words for what a schema found wrong: for people, with the nearest right thing. */
import type { Issue } from './errors.ts';
import { didYouMean } from './nearest.ts';
import { isObject, pointerKey, valueAt } from './pointer.ts';

/** What the schema library says, as far as it is used here. */
export interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** How many characters of a value an issue shows. */
const SHOWN = 60;

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  array: 'a list',
  object: 'a map',
};

/** The issues of one error of `input` against `schema`; none where another error says the same better. */
export function issuesOf(error: SchemaError, schema: object, input: unknown): Issue[] {
  const { instancePath: path, keyword, params } = error;
  switch (keyword) {
    // An unknown key is reported by its parent too, which knows the known ones; a bad name by its own place.
    case 'boolean':
    case 'propertyNames':
      return [];
    case 'additionalProperties':
      return texts(params, 'additionalProperties').map((key) => unknownKey(path, key, knownKeys(schema, error)));
    case 'oneOf':
      return [{ path, message: `must have exactly one of ${alternatives(schema, error).join(', ')}` }];
    case 'required':
      // Of an alternative: it alone is not required.
      if (error.schemaPath.includes('/oneOf/')) return [];
      return texts(params, 'requiredProperties').map((key) => ({
        path: `${path}/${pointerKey(key)}`,
        message: 'is required',
      }));
    case 'type':
      return [{ path, message: `must be ${typeWords(params)}` }];
    case 'const':
      return [{ path, message: `must be ${JSON.stringify(field(params, 'allowedValue'))}` }];
    case 'enum':
      return [{ path, message: oneOf(valueAt(input, path), texts(params, 'allowedValues')) }];
    case 'minItems':
    case 'minLength':
      return [{ path, message: field(params, 'limit') === 1 ? 'must not be empty' : error.message }];
    case 'pattern':
      return [patternIssue(error, schema, input)];
    default:
      return [{ path, message: error.message }];
  }
}

/** A value as an issue shows it. */
export function shown(value: unknown): string {
  const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function unknownKey(parent: string, key: string, known: readonly string[]): Issue {
  return {
    path: `${parent}/${pointerKey(key)}`,
    message: `is not a known key${didYouMean(key, known)}`,
    expected: known.length === 0 ? 'no keys' : `one of ${known.join(', ')}`,
    atKey: true,
  };
}

function oneOf(value: unknown, words: readonly string[]): string {
  const near = typeof value === 'string' ? didYouMean(value, words) : '';
  return `must be one of ${words.map((word) => JSON.stringify(word)).join(', ')}${near}`;
}

/** A schema whose pattern says little to people says it in `x-expected`. */
function patternIssue({ instancePath: path, schemaPath, message }: SchemaError, schema: object, input: unknown): Issue {
  if (schemaPath.endsWith('/propertyNames')) return { path, message: 'is not an allowed key', atKey: true };
  const part = valueAt(schema, schemaPath.slice(1));
  const expected = isObject(part) ? part['x-expected'] : undefined;
  if (typeof expected !== 'string') return { path, message };
  return { path, message: `${shown(valueAt(input, path))} is not allowed`, expected };
}

function knownKeys(schema: object, { schemaPath }: SchemaError): string[] {
  const part = valueAt(schema, schemaPath.slice(1));
  return isObject(part) && isObject(part.properties) ? Object.keys(part.properties) : [];
}

/** The keys of which a map must have one: each alternative asks for its own. */
function alternatives(schema: object, { schemaPath }: SchemaError): string[] {
  const part = valueAt(schema, schemaPath.slice(1));
  const each = isObject(part) && Array.isArray(part.oneOf) ? part.oneOf : [];
  return each.flatMap((alternative: unknown) => (isObject(alternative) ? texts(alternative, 'required') : []));
}

function typeWords(params: object): string {
  const type = field(params, 'type');
  return [type]
    .flat()
    .map((name) => TYPE_WORDS[String(name)] ?? String(name))
    .join(' or ');
}

function field(params: object, key: string): unknown {
  return valueAt(params, `/${key}`);
}

function texts(params: object, key: string): string[] {
  return [field(params, key)].flat().map(String);
}

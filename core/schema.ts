/** The only meeting point with the schema library: one schema gives the type, the check, the defaults and the docs. */
import { type Static, type TObject, type TSchema, type TUnsafe, Type } from 'typebox';
import type { TLocalizedValidationError } from 'typebox/error';
import { Value } from 'typebox/value';

import { ConfigError, type Issue } from './errors.ts';
import { nearest } from './nearest.ts';

export { Type };
export type Schema = TSchema;
export type ObjectSchema = TObject;
export type Infer<S extends Schema> = Static<S>;

const DURATION = /^(\d+)(ms|s|m|h|d)$/;
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export interface DurationOptions {
  readonly description: string;
  /** As a document would write it: `5s`. */
  readonly default?: string;
  readonly minimum?: string;
  readonly maximum?: string;
}

/** A duration: documents write `10m`, `5s` or integer milliseconds; the parsed value is integer milliseconds. */
export function Duration(options: DurationOptions): TUnsafe<number> {
  return Type.Unsafe<number>({
    type: 'integer',
    'x-duration': true,
    description: options.description,
    minimum: options.minimum === undefined ? 0 : (durationMs(options.minimum) ?? 0),
    ...(options.maximum === undefined ? {} : { maximum: durationMs(options.maximum) }),
    ...(options.default === undefined ? {} : { default: durationMs(options.default) }),
  });
}

/** One of a few words. */
export function Choice<const T extends string>(
  words: readonly T[],
  options: { readonly description: string; readonly default?: NoInfer<T> },
): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', enum: words, ...options });
}

/** Milliseconds of `10m`, `5s`, `300ms`, `1h`, `2d`; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  const unit = match[2];
  const ms =
    Number(match[1]) *
    (unit === 'ms' || unit === 's' || unit === 'm' || unit === 'h' || unit === 'd' ? UNIT_MS[unit] : Number.NaN);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest exact form that `durationMs` reads back. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms !== 0 && ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}

/**
 * Clones, fills defaults, checks and freezes deeply. Throws a ConfigError with every issue at once, each with a JSON
 * pointer; the input is never changed.
 */
export function parseConfig<S extends Schema>(schema: S, input: unknown, subject: string): Infer<S> {
  const checked = checkConfig(schema, input);
  if (checked.value === null) throw new ConfigError(subject, checked.issues);
  return checked.value;
}

export interface Checked<T> {
  /** Frozen, defaults filled in; null when there are issues. */
  readonly value: T | null;
  /** The input with defaults, whatever is wrong with it. */
  readonly partial: unknown;
  readonly issues: readonly Issue[];
}

/** As `parseConfig`, but the issues are a value: for documents whose parts are accepted or refused on their own. */
export function checkConfig<S extends Schema>(schema: S, input: unknown): Checked<Infer<S>> {
  const issues: Issue[] = [];
  const partial = Value.Default(schema, durations(schema, structuredClone(input), '', issues));
  const broken = new Set(issues.map(({ path }) => path));
  for (const error of Value.Errors(schema, partial)) issues.push(...issuesOf(error, schema, broken));
  if (issues.length > 0) return { value: null, partial, issues };
  if (Value.Check(schema, partial)) return { value: deepFreeze(partial), partial, issues };
  return { value: null, partial, issues: [{ path: '', message: 'does not match its schema' }] };
}

/** Turns duration texts into milliseconds where the schema says so. */
function durations(schema: object, value: unknown, path: string, issues: Issue[]): unknown {
  if ('x-duration' in schema) {
    if (typeof value !== 'string') return value;
    const ms = durationMs(value);
    if (ms === undefined)
      issues.push({
        path,
        message: `${JSON.stringify(value)} is no duration`,
        expected: 'like "5s", "10m" or milliseconds',
      });
    return ms ?? value;
  }
  if (Array.isArray(value) && 'items' in schema && isObject(schema.items)) {
    const { items } = schema;
    return value.map((item, index) => durations(items, item, `${path}/${index}`, issues));
  }
  if (isObject(value) && 'properties' in schema && isObject(schema.properties)) {
    for (const [key, part] of Object.entries(schema.properties)) {
      if (isObject(part) && key in value)
        value[key] = durations(part, value[key], `${path}/${pointerKey(key)}`, issues);
    }
  }
  return value;
}

function issuesOf(error: TLocalizedValidationError, root: Schema, broken: ReadonlySet<string>): Issue[] {
  const { instancePath: path, keyword, params } = error;
  if (keyword === 'boolean' || broken.has(path)) return [];
  if (keyword === 'additionalProperties' && 'additionalProperties' in params) {
    const known = knownKeys(root, path);
    return params.additionalProperties.map((key) => {
      const near = nearest(key, known);
      return {
        path: `${path}/${pointerKey(key)}`,
        message: `is not a known key${near === undefined ? '' : `; did you mean "${near}"?`}`,
        expected: known.length === 0 ? 'no keys' : `one of ${known.join(', ')}`,
      };
    });
  }
  if (keyword === 'required' && 'requiredProperties' in params) {
    return params.requiredProperties.map((key) => ({ path: `${path}/${pointerKey(key)}`, message: 'is required' }));
  }
  if (keyword === 'enum' && 'allowedValues' in params) {
    return [
      { path, message: `must be one of ${params.allowedValues.map((value) => JSON.stringify(value)).join(', ')}` },
    ];
  }
  return [{ path, message: error.message }];
}

/** The keys that the schema knows at a JSON pointer of the document. */
function knownKeys(schema: object, path: string): string[] {
  let here: unknown = schema;
  for (const key of path.split('/').slice(1)) {
    if (!isObject(here)) return [];
    here = isObject(here.properties) ? here.properties[unpointerKey(key)] : here.items;
  }
  return isObject(here) && isObject(here.properties) ? Object.keys(here.properties) : [];
}

/** JSON pointer escaping of one key (RFC 6901). */
export function pointerKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

export function unpointerKey(key: string): string {
  return key.replaceAll('~1', '/').replaceAll('~0', '~');
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

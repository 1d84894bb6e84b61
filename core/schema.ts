/** The only meeting point with the schema library: one schema gives the type, the check, the defaults and the docs. */
import { type Static, type TObject, type TSchema, type TUnsafe, Type } from 'typebox';
import { Settings } from 'typebox/system';
import { Value } from 'typebox/value';

import { DURATION_EXPECTED, durationMs, durationText } from './duration.ts';
import { AppError, ConfigError, type Issue } from './errors.ts';
import { compilePattern, PatternError } from './filter/pattern.ts';
import { deepFreeze, isObject, pointerKey } from './pointer.ts';
import { issuesOf, shown } from './schema-issues.ts';

// The library stops after 8 by itself; a document's author wants all of them, a hostile document none of our memory.
Settings.Set({ maxErrors: 1000 });

export { Type };
export type Schema = TSchema;
export type ObjectSchema = TObject;
export type Infer<S extends Schema> = Static<S>;

export interface DurationOptions {
  readonly description: string;
  /** As a document would write it: `5s`. */
  readonly default?: string;
  readonly minimum?: string;
  readonly maximum?: string;
}

/** A duration: documents write `10m`, `5s` or integer milliseconds; the parsed value is integer milliseconds. */
export function Duration(options: DurationOptions): TUnsafe<number> {
  const { description, minimum = '0ms', maximum, default: fallback } = options;
  return Type.Unsafe<number>({
    type: 'integer',
    'x-duration': true,
    description,
    minimum: givenMs(minimum),
    ...(maximum === undefined ? {} : { maximum: givenMs(maximum) }),
    ...(fallback === undefined ? {} : { default: givenMs(fallback) }),
  });
}

function givenMs(text: string): number {
  const ms = durationMs(text);
  if (ms === undefined) throw new AppError('CONFIG_INVALID', `"${text}" is no duration`);
  return ms;
}

/** One of a few words. */
export function Choice<const T extends string>(
  words: readonly T[],
  options: { readonly description: string; readonly default?: NoInfer<T> },
): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', enum: words, ...options });
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
  if (issues.length === 0 && Value.Check(schema, partial)) return { value: deepFreeze(partial), partial, issues };
  const told = new Set(issues.map(({ path }) => path));
  for (const error of Value.Errors(schema, partial)) {
    if (!told.has(error.instancePath)) issues.push(...issuesOf(error, schema, partial));
  }
  return { value: null, partial, issues };
}

/** Turns duration texts into milliseconds where the schema says so; one that is wrong is told here and left as it is. */
function durations(schema: object, value: unknown, path: string, issues: Issue[]): unknown {
  if ('x-duration' in schema) return duration(schema, value, path, issues);
  if ('x-regex' in schema && typeof value === 'string') checkRegex(value, path, issues);
  if (Array.isArray(value) && 'items' in schema && isObject(schema.items)) {
    const { items } = schema;
    return value.map((item, index) => durations(items, item, `${path}/${index}`, issues));
  }
  if (isObject(value) && 'properties' in schema && isObject(schema.properties)) {
    for (const [key, part] of Object.entries(schema.properties)) {
      if (isObject(part) && Object.hasOwn(value, key))
        value[key] = durations(part, value[key], `${path}/${pointerKey(key)}`, issues);
    }
  }
  return value;
}

/** Patterns of users are refused where they are written, not where they are used. */
function checkRegex(pattern: string, path: string, issues: Issue[]): void {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    issues.push({
      path,
      message: `${shown(pattern)} is no regular expression: ${error.message}`,
      expected: 'RE2 syntax',
    });
  }
}

function duration(schema: object, value: unknown, path: string, issues: Issue[]): unknown {
  const { minimum, maximum }: { minimum?: number; maximum?: number } = schema;
  if (value === undefined) return value;
  const ms = typeof value === 'string' ? durationMs(value) : value;
  if (typeof ms !== 'number' || !Number.isSafeInteger(ms) || ms < 0) {
    issues.push({ path, message: `${shown(value)} is no duration`, expected: DURATION_EXPECTED });
    return value;
  }
  if (minimum !== undefined && ms < minimum)
    issues.push({ path, message: `must be at least ${durationText(minimum)}` });
  if (maximum !== undefined && ms > maximum) issues.push({ path, message: `must be at most ${durationText(maximum)}` });
  return ms;
}

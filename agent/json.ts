/** JSON of whatever a program hands over. */
import { errorText } from '#core/light';

/** Deeper than anybody means it. */
const MAX_DEPTH = 100;
const TOO_DEEP = '[too deep]';
const CIRCULAR = '[circular]';

/**
 * The same value as plain data: what JSON has no form for becomes text, a circle `[circular]`. Never throws: what a program
 * keeps in its parameters must not break its hooks.
 */
export function plainJson(value: unknown): unknown {
  return plain(value, []);
}

export function plainObject(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return entriesOf(value, [value]);
}

function plain(value: unknown, above: readonly object[]): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return String(value);
    case 'object':
      return value === null ? null : object(value, above);
    case 'function':
    case 'symbol':
      return undefined;
    default:
      return value;
  }
}

function object(value: object, above: readonly object[]): unknown {
  if (above.includes(value)) return CIRCULAR;
  if (above.length >= MAX_DEPTH) return TOO_DEEP;
  const here = [...above, value];
  if (Array.isArray(value)) return value.map((item) => plain(item, here) ?? null);
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (value instanceof Map) return [...value].map(([key, item]) => [plain(key, here), plain(item, here) ?? null]);
  if (value instanceof Set) return [...value].map((item) => plain(item, here) ?? null);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  const own = read(() => ('toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON : null));
  if (typeof own === 'function')
    return plain(
      read(() => Reflect.apply(own, value, [''])),
      here,
    );
  return entriesOf(value, here);
}

function entriesOf(value: object, above: readonly object[]): Record<string, unknown> {
  const entries = Object.keys(value).map(
    (key) =>
      [
        key,
        plain(
          read(() => Reflect.get(value, key)),
          above,
        ),
      ] as const,
  );
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined));
}

/** Getters may throw. */
function read(value: () => unknown): unknown {
  try {
    return value();
  } catch (error) {
    return `[unreadable: ${errorText(error)}]`;
  }
}

export interface Bounded {
  readonly value: unknown;
  /** Characters that it had; null where it was not cut. */
  readonly fullSize: number | null;
}

/** A result as it goes into an event: 0, '' and false are kept, a long text and long JSON are cut. */
export function bounded(value: unknown, maxCharacters: number): Bounded {
  const whole = plainJson(value) ?? null;
  const text = typeof whole === 'string' ? whole : JSON.stringify(whole);
  if (text.length <= maxCharacters) return { value: whole, fullSize: null };
  return { value: `${text.slice(0, maxCharacters)}…`, fullSize: text.length };
}

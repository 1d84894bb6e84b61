import { Unreadable } from './errors.ts';

const KEYWORDS = ['AND', 'OR', 'NOT', 'IN'] as const;
const OPERATORS = ['==', '!=', '<=', '>=', '=~', '!~', '<', '>', '(', ')', '[', ']', ','] as const;

/** Keywords (in capitals), operators and punctuation. */
export type Sign = (typeof KEYWORDS)[number] | (typeof OPERATORS)[number];

/** One word of a condition with its span, `end` exclusive. */
export type Token = { readonly start: number; readonly end: number } & (
  | { readonly kind: 'end' }
  | { readonly kind: 'sign'; readonly sign: Sign }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string | number | bigint }
);

const SPACE = /[ \t\n\v\f\r]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_.]*/y;
const NUMBER = /[0-9]+/y;
const WORD_START = /[A-Za-z_]/;
const FORBIDDEN = /[\p{Cc}--[\t\n\r]]/v;
const ESCAPE = /\\([\\'"])/g;

const LARGEST_PLAIN = 2n ** 53n;
const LARGEST = 2n ** 63n - 1n;

/** The token that begins at or after `from` (nlmon A2, A10.3, A10.4). Throws Unreadable where none can begin. */
export function nextToken(text: string, from: number): Token {
  const start = skipSpace(text, from);
  if (start >= text.length) return { kind: 'end', start: text.length, end: text.length };

  const name = matchAt(NAME, text, start);
  if (name !== null) return word(name, start);

  const digits = matchAt(NUMBER, text, start);
  if (digits !== null) return number(text, digits, start);

  const first = text.charAt(start);
  if (first === "'" || first === '"') return string(text, first, start);

  const sign = OPERATORS.find((operator) => text.startsWith(operator, start));
  if (sign !== undefined) return { kind: 'sign', sign, start, end: start + sign.length };

  throw unexpectedCharacter(text, start);
}

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from;
  SPACE.test(text);
  return SPACE.lastIndex;
}

function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function word(name: string, start: number): Token {
  const end = start + name.length;
  const sign = KEYWORDS.find((keyword) => keyword === name.toUpperCase());
  return sign === undefined ? { kind: 'name', name, start, end } : { kind: 'sign', sign, start, end };
}

function number(text: string, digits: string, start: number): Token {
  const end = start + digits.length;
  if (WORD_START.test(text.charAt(end))) {
    throw new Unreadable({
      message: `number ${digits.slice(0, 20)} touches a word`,
      offset: start,
      length: end - start + 1,
      expected: 'white space between a number and a word',
    });
  }
  return { kind: 'literal', value: numberValue(digits), start, end };
}

function numberValue(digits: string): number | bigint {
  const significant = digits.replace(/^0+(?=.)/, '');
  const exact = significant.length > 19 ? LARGEST : BigInt(significant);
  if (exact <= LARGEST_PLAIN) return Number(exact);
  return exact < LARGEST ? exact : LARGEST;
}

function string(text: string, quote: string, start: number): Token {
  let close = start + 1;
  while (close < text.length && text.charAt(close) !== quote) close += text.charAt(close) === '\\' ? 2 : 1;
  if (close >= text.length) {
    throw new Unreadable({
      message: 'string is not closed',
      offset: start,
      expected: `a closing ${quote}`,
    });
  }

  const raw = text.slice(start + 1, close);
  const forbidden = raw.search(FORBIDDEN);
  if (forbidden !== -1) {
    throw new Unreadable({
      message: `control character U+${codePoint(raw, forbidden)} in a string`,
      offset: start + 1 + forbidden,
      expected: 'no control characters but tab and line break',
    });
  }
  return { kind: 'literal', value: raw.replaceAll(ESCAPE, '$1'), start, end: close + 1 };
}

/** Habits from other languages, and how the same is said here. */
const HABITS: readonly (readonly [habit: string, expected: string])[] = [
  ['&&', 'AND'],
  ['||', 'OR'],
  ['=', '== or =~'],
  ['!', 'NOT, != or !~'],
  ['-', 'decimal digits without a sign'],
  ['.', 'decimal digits without a fraction, or a field'],
];

function unexpectedCharacter(text: string, offset: number): Unreadable {
  const habit = HABITS.find(([begin]) => text.startsWith(begin, offset));
  const found = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  const shown = /[\p{L}\p{N}\p{P}\p{S}]/u.test(found) ? (habit?.[0] ?? found) : `U+${codePoint(text, offset)}`;
  return new Unreadable({
    message: `unexpected character ${shown}`,
    offset,
    length: habit?.[0].length ?? found.length,
    expected: habit?.[1] ?? 'a field, a string, a number or an operator',
  });
}

function codePoint(text: string, at: number): string {
  return (text.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

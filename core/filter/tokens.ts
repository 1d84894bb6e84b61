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

const WORD_START = /[A-Za-z_]/;
/** As FORBIDDEN and tab and line break, and much faster: most strings have none of them. */
const CONTROL = /\p{Cc}/u;
const FORBIDDEN = /[\p{Cc}--[\t\n\r]]/v;
const ESCAPE = /\\([\\'"])/g;

/** What a code unit below 128 may be part of: white space, the start of a name, its rest, a number. */
const SPACE = 1;
const NAME_START = 2;
const NAME_PART = 4;
const DIGIT = 8;
const CLASSES = Uint8Array.from({ length: 128 }, (_, code) => {
  const found = String.fromCharCode(code);
  return (
    (/[ \t\n\v\f\r]/.test(found) ? SPACE : 0) |
    (WORD_START.test(found) ? NAME_START : 0) |
    (/[A-Za-z0-9_.]/.test(found) ? NAME_PART : 0) |
    (/[0-9]/.test(found) ? DIGIT : 0)
  );
});
const SIGNS: ReadonlyMap<string, Sign> = new Map(KEYWORDS.map((keyword) => [keyword, keyword]));
const LONGEST_KEYWORD = 3;

const LARGEST_PLAIN = 2n ** 53n;
/** So many digits are exact as a plain number. */
const PLAIN_DIGITS = 15;
const LARGEST = 2n ** 63n - 1n;

/** The token that begins at or after `from` (nlmon A2, A10.3, A10.4). Throws Unreadable where none can begin. */
export function nextToken(text: string, from: number): Token {
  const start = endOf(text, from, SPACE);
  if (start >= text.length) return { kind: 'end', start: text.length, end: text.length };

  const found = classOf(text, start);
  if ((found & NAME_START) !== 0) return word(text.slice(start, endOf(text, start + 1, NAME_PART)), start);
  if ((found & DIGIT) !== 0) return number(text, text.slice(start, endOf(text, start + 1, DIGIT)), start);

  const first = text.charAt(start);
  if (first === "'" || first === '"') return string(text, first, start);

  const sign = OPERATORS.find((operator) => text.startsWith(operator, start));
  if (sign !== undefined) return { kind: 'sign', sign, start, end: start + sign.length };

  throw unexpectedCharacter(text, start);
}

/** Where the run of code units of a class ends that goes on at `from`. */
function endOf(text: string, from: number, wanted: number): number {
  let end = from;
  while (end < text.length && (classOf(text, end) & wanted) !== 0) end++;
  return end;
}

function classOf(text: string, at: number): number {
  return CLASSES[text.charCodeAt(at)] ?? 0;
}

function word(name: string, start: number): Token {
  const end = start + name.length;
  const sign = name.length > LONGEST_KEYWORD ? undefined : SIGNS.get(name.toUpperCase());
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
  if (digits.length <= PLAIN_DIGITS) return Number(digits);
  const significant = digits.replace(/^0+(?=.)/, '');
  const exact = significant.length > 19 ? LARGEST : BigInt(significant);
  if (exact <= LARGEST_PLAIN) return Number(exact);
  return exact < LARGEST ? exact : LARGEST;
}

function string(text: string, quote: string, start: number): Token {
  const close = closingQuote(text, quote, start + 1);
  if (close === -1) {
    throw new Unreadable({
      message: 'string is not closed',
      offset: start,
      expected: `a closing ${quote}`,
    });
  }

  const raw = text.slice(start + 1, close);
  const forbidden = CONTROL.test(raw) ? raw.search(FORBIDDEN) : -1;
  if (forbidden !== -1) {
    throw new Unreadable({
      message: `control character U+${codePoint(raw, forbidden)} in a string`,
      offset: start + 1 + forbidden,
      expected: 'no control characters but tab and line break',
    });
  }
  const value = raw.includes('\\') ? raw.replaceAll(ESCAPE, '$1') : raw;
  return { kind: 'literal', value, start, end: close + 1 };
}

/** The quote that ends a string, or -1: a backslash takes the character after it along. */
function closingQuote(text: string, quote: string, from: number): number {
  const first = text.indexOf(quote, from);
  let at = text.indexOf('\\', from);
  if (at === -1 || at > first) return first;
  while (at < text.length && text.charAt(at) !== quote) at += text.charAt(at) === '\\' ? 2 : 1;
  return at < text.length ? at : -1;
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

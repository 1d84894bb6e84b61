import { RE2JS, RE2JSSyntaxException } from 're2js';

/** Whether a text holds what a pattern describes, anywhere in it. */
export type TextTest = (text: string) => boolean;

/** A pattern that was refused; the message is the reason alone. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * Compiles RE2 syntax to an unanchored, case-sensitive test on characters, in linear time for every text (nlmon A10.7).
 * Throws PatternError. Literals, the most common patterns by far, become string searches.
 */
export function compilePattern(pattern: string): TextTest {
  return literalTest(pattern, MOST_LITERALS) ?? regularTest(pattern);
}

/** A larger program is refused: one takes about 1 µs an instruction to make, in one go on the main loop of a node. */
const LARGEST_PROGRAM = 2_000;

function regularTest(pattern: string): TextTest {
  if (estimatedSize(pattern) > LARGEST_PROGRAM) return tooLarge(pattern);
  const regular = parsed(pattern);
  if (regular.programSize() > LARGEST_PROGRAM) return tooLarge(pattern);
  const possible = prefixTest(pattern);
  return possible === null ? (text) => regular.test(text) : (text) => possible(text) && regular.test(text);
}

/** Alternatives of plain text need no program. */
function tooLarge(pattern: string): TextTest {
  const test = literalTest(pattern, Number.POSITIVE_INFINITY);
  if (test === null) throw new PatternError('pattern too large');
  return test;
}

/** What a program is made of: one quoted text, class, escape, repetition, parenthesis or character each. */
const PARTS =
  /\\Q[^]*?(?:\\E|$)|\\[pPx]\{[^}]*\}|\\[^]|\[\^?\]?(?:\[:[^\]]*:\]|\\[^]|[^\]\\])*\]|\{(\d+),?(\d*)\}|\((?:\?[^):]*:?)?|[^]/g;

/**
 * How large a program would become, at the least: told from the text, for making one of `(a{1000}){…}` to measure it takes
 * seconds. Stops counting at the limit.
 */
function estimatedSize(pattern: string): number {
  const outer: number[] = [];
  let size = 0;
  let last = 0;
  for (const [part, least, most] of pattern.matchAll(PARTS)) {
    if (part.startsWith('(')) {
      outer.push(size);
      size = 0;
    } else if (part === ')') {
      last = size;
      size += outer.pop() ?? 0;
    } else if (least !== undefined) {
      const repeated = last * Math.max(1, Number(least), Number(most));
      size += repeated - last;
      last = repeated;
    } else {
      last = part.startsWith('\\Q') ? part.length - 2 : 1;
      size += last;
    }
    if (size > LARGEST_PROGRAM) break;
  }
  return size;
}

function parsed(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    throw new PatternError(reason(pattern, cause), { cause });
  }
}

function reason(pattern: string, cause: unknown): string {
  if (/\(\?<?[=!]/.test(pattern)) return 'look-around is not supported';
  if (/\\[1-9]/.test(pattern)) return 'back-references are not supported';
  return cause instanceof RE2JSSyntaxException ? cause.error : 'pattern too large';
}

/** A character that stands for itself. Escaped letters and digits have meanings of their own. */
const CHARACTER = String.raw`(?:[^\\.+*?()|[\]{}^$]|\\[!-/:-@[-\x60{-~])`;
const ANYTHING = String.raw`(?:\.\*\??)?`;
/** A literal, perhaps anchored, perhaps with `.*` at its ends. */
const LITERAL = new RegExp(String.raw`^(\^?)(${ANYTHING})(${CHARACTER}*)(${ANYTHING})(\$?)$`);
/** `(a|b)` in the same frame. */
const GROUP = new RegExp(String.raw`^(\^?${ANYTHING})\((?:\?:)?((?:${CHARACTER}|\|)*)\)(${ANYTHING}\$?)$`);
/** From here on one pass of the automaton is cheaper than a search for each. */
const MOST_LITERALS = 8;

/** A pattern that begins with plain text, or with a choice of plain texts, that must be there once. */
const PREFIXED = new RegExp(
  String.raw`^(\^?)(\((?:\?:)?(?:${CHARACTER}+\|)*${CHARACTER}+\)|${CHARACTER}+)(?![*+?{])[^|]+$`,
  'u',
);

/** A string search without which the pattern cannot match: most texts need no automaton to be refused. */
function prefixTest(pattern: string): TextTest | null {
  const [, caret, prefix] = PREFIXED.exec(pattern) ?? [];
  return prefix === undefined ? null : literalTest(`${caret}${prefix}`, MOST_LITERALS);
}

/** The string search that gives the same answers as the pattern, or null when there is none. */
function literalTest(pattern: string, most: number): TextTest | null {
  if (!pattern.isWellFormed()) return null;
  const [, before = '', choice = pattern, after = ''] = GROUP.exec(pattern) ?? [];
  const alternatives = splitAlternatives(choice);
  if (alternatives.length > most) return null;

  const tests: TextTest[] = [];
  for (const alternative of alternatives) {
    const test = oneLiteral(before + alternative + after);
    if (test === null) return null;
    tests.push(test);
  }
  const [first, second] = tests;
  if (first === undefined || second === undefined) return first ?? null;
  if (tests.length === 2) return (text) => first(text) || second(text);
  return (text) => tests.some((test) => test(text));
}

/** Cuts at each `|` that is not escaped. What may hide one otherwise (`[`, `(`, `\Q`) is no literal and is seen later. */
function splitAlternatives(choice: string): string[] {
  const alternatives = [''];
  for (const [piece] of choice.matchAll(/\\?[^]/g)) {
    if (piece === '|') alternatives.push('');
    else alternatives.push((alternatives.pop() ?? '') + piece);
  }
  return alternatives;
}

function oneLiteral(pattern: string): TextTest | null {
  const found = LITERAL.exec(pattern);
  if (found === null) return null;
  const [, caret, leading, escaped = '', trailing, dollar] = found;
  // `.` stops at a line break, so `.*` says something between an anchor and a literal; at a free end it says nothing.
  if ((caret !== '' && leading !== '') || (dollar !== '' && trailing !== '')) return null;

  const literal = escaped.replaceAll(/\\([^])/g, '$1');
  if (caret !== '' && dollar !== '') return (text) => text === literal;
  if (caret !== '') return (text) => text.startsWith(literal);
  if (dollar !== '') return (text) => text.endsWith(literal);
  return (text) => text.includes(literal);
}

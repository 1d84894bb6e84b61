/** Words as a shell expands them: braces, tildes, variables, substitutions, splitting (bash reference manual, 3.5). */
import { parse, type ParameterExpansionPart, type ParsedScript, type Word, type WordPart } from 'unbash';

import { HOLE, marksOf } from './marks.ts';
import type { Scope } from './scope.ts';

/** What expanding needs of whoever runs the text. */
export interface Expanding {
  readonly scope: Scope;
  /** What a substituted command prints. */
  output(script: ParsedScript | undefined): string;
  /** Path of what a `<( )` prints, or of what a `>( )` reads. */
  substitute(script: ParsedScript | undefined, operator: '<' | '>'): string;
}

const MAX_FIELDS = 1024;
const MAX_LENGTH = 262_144;

/** The fields that a word becomes. */
export function fieldsOf(word: Word, on: Expanding): string[] {
  if (word.parts === undefined) return [tilde(word.value, on.scope)];
  const brace = word.parts.find((part) => part.type === 'BraceExpansion');
  if (brace) return braced(word, on);
  const fields = new Fields();
  for (const [index, part] of word.parts.entries()) addPart(fields, part, on, index === 0);
  return fields.all();
}

/** A word where no splitting happens: an assignment's value, a redirection's target, a here-string. */
export function textOfWord(word: Word, on: Expanding): string {
  return word.parts === undefined ? tilde(word.value, on.scope) : fieldsOf(word, on).join(' ');
}

/** Parts of a here-document, whose quotes are plain text. */
export function textOfParts(parts: readonly WordPart[], on: Expanding): string {
  return parts.map((part) => (part.type === 'Literal' ? part.value : expandPart(part, on).join(' '))).join('');
}

class Fields {
  readonly #fields: string[] = [];
  #open: string | null = null;

  /** Text that belongs to the field that is being built. */
  join(text: string): void {
    this.#open = ((this.#open ?? '') + text).slice(0, MAX_LENGTH);
  }

  end(): void {
    if (this.#open !== null && this.#fields.length < MAX_FIELDS) this.#fields.push(this.#open);
    this.#open = null;
  }

  /** An unquoted value: white space in it ends fields. */
  split(text: string, separators: string): void {
    const pieces = text.split(separators === DEFAULT_SEPARATORS ? /[ \t\n]+/ : separatorsOf(separators));
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) this.end();
      if (piece !== '') this.join(piece);
    }
  }

  /** `"$@"`: each its own field. */
  each(values: readonly string[]): void {
    for (const [index, value] of values.entries()) {
      if (index > 0) this.end();
      this.join(value);
    }
  }

  all(): string[] {
    this.end();
    return this.#fields;
  }
}

const DEFAULT_SEPARATORS = ' \t\n';

/** `IFS=_`. */
function separatorsOf(separators: string): RegExp | string {
  return separators === '' ? '\u0000' : new RegExp(`[${separators.slice(0, 16).replaceAll(/[\]\\^-]/g, '\\$&')}]+`);
}

function addPart(fields: Fields, part: WordPart, on: Expanding, isFirst: boolean): void {
  switch (part.type) {
    case 'Literal':
      fields.join(isFirst ? tilde(part.value, on.scope) : part.value);
      return;
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      fields.join(part.value);
      return;
    case 'DoubleQuoted':
    case 'LocaleString':
      addQuoted(fields, part.parts, on);
      return;
    case 'Glob':
    case 'ExtendedGlob':
    case 'BraceExpansion':
      fields.join(part.text);
      return;
    case 'ProcessSubstitution':
      fields.join(on.substitute(part.script, part.operator));
      return;
    default:
      for (const [index, value] of expandPart(part, on).entries()) {
        if (index > 0) fields.end();
        fields.split(value, on.scope.get('IFS').join(''));
      }
  }
}

function addQuoted(fields: Fields, parts: readonly WordPart[], on: Expanding): void {
  fields.join('');
  for (const part of parts) {
    if (part.type === 'Literal') fields.join(part.value);
    else if (/^\$(?:@|\{@\}|\{\w+\[@\]\})$/.test(part.text)) fields.each(expandPart(part, on));
    else fields.join(expandPart(part, on).join(' '));
  }
}

/** The value or values of one expansion. */
function expandPart(part: WordPart, on: Expanding): readonly string[] {
  switch (part.type) {
    case 'SimpleExpansion':
      return on.scope.get(part.text.slice(1));
    case 'ParameterExpansion':
      return parameter(part, on);
    case 'CommandExpansion':
      return [on.output(part.script).replace(/\n+$/, '')];
    case 'ArithmeticExpansion':
      if (part.text.includes('$(', 2)) on.output(parse(`: "${part.text.slice(3, -2)}"`));
      return [arithmetic(part.text, on.scope)];
    case 'ProcessSubstitution':
      return [on.substitute(part.script, part.operator)];
    default:
      return [part.text];
  }
}

function arithmetic(text: string, scope: Scope): string {
  const inner = text.slice(3, -2).replaceAll(/\$?\{?([A-Za-z_]\w*)\}?/g, (_, name: string) => scope.get(name).join(''));
  const sum = /^\s*(\d+)\s*(?:([-+*])\s*(\d+)\s*)?$/.exec(inner);
  if (!sum) return '1';
  const [a, b] = [Number(sum[1]), Number(sum[3] ?? 0)];
  if (sum[2] === '-') return String(a - b);
  return String(sum[2] === '*' ? a * b : a + b);
}

function parameter(part: ParameterExpansionPart, on: Expanding): readonly string[] {
  const { parameter: name, prefix, index, operation } = part;
  if (prefix === '#') return [String(on.scope.get(name).join(' ').length)];
  const direct = on.scope.get(name);
  const values = prefix === '!' ? direct.flatMap((target) => on.scope.get(target)) : indexed(direct, index?.value);
  if (operation === undefined) return values;
  const value = values.join(' ');
  const text = (word: Word | undefined): string => (word === undefined ? '' : textOfWord(word, on));
  switch (operation.type) {
    case 'Default':
      return defaulted(name, values, operation.operator, text(operation.operand), on.scope);
    case 'Slice':
      return [sliced(value, text(operation.offset), operation.length && text(operation.length))];
    case 'Replace':
      return [replaced(value, operation.operator, text(operation.pattern), text(operation.replacement))];
    case 'Remove':
      return [removed(value, operation.operator, text(operation.operand))];
    case 'CaseModification':
      return [cased(value, operation.operator)];
    case 'Transform':
      return values;
    default:
      return [HOLE];
  }
}

function indexed(values: readonly string[], index: string | undefined): readonly string[] {
  if (index === undefined) return values.length > 1 ? values.slice(0, 1) : values;
  if (index === '@' || index === '*') return values;
  return /^\d+$/.test(index) ? [values[Number(index)] ?? ''] : [...values, HOLE].slice(0, 1);
}

function defaulted(
  name: string,
  values: readonly string[],
  operator: string,
  operand: string,
  scope: Scope,
): readonly string[] {
  const known = scope.isSet(name) || values.every((value) => value !== HOLE);
  if (operator.endsWith('+')) return known ? [operand] : [''];
  if (known && values.join('') !== '') return values;
  if (operator.endsWith('?')) return values;
  if (operator.endsWith('=')) scope.set(name, [operand]);
  return [operand];
}

function sliced(value: string, offset: string, length: string | undefined): string {
  if (value === HOLE) return HOLE;
  const from = Number(offset);
  if (!Number.isInteger(from)) return HOLE;
  const start = from < 0 ? value.length + from : from;
  return length === undefined ? value.slice(start) : value.slice(start, start + Number(length));
}

function replaced(value: string, operator: string, pattern: string, replacement: string): string {
  if (value === HOLE || pattern === '') return value;
  if (/[*?[]/.test(pattern)) return marksOf(value) || HOLE;
  if (operator === '//') return value.replaceAll(pattern, () => replacement);
  if (operator === '/#') return value.startsWith(pattern) ? replacement + value.slice(pattern.length) : value;
  if (operator === '/%') return value.endsWith(pattern) ? value.slice(0, -pattern.length) + replacement : value;
  return value.replace(pattern, () => replacement);
}

function removed(value: string, operator: string, pattern: string): string {
  if (value === HOLE) return HOLE;
  const regex = globRegex(pattern);
  if (regex === null) return HOLE;
  const cuts = operator.startsWith('#') ? prefixes(value) : suffixes(value);
  const longest = operator.length === 2;
  const matching = cuts.filter(([cut]) => regex.test(cut));
  const [, kept] = (longest ? matching.at(-1) : matching[0]) ?? ['', value];
  return kept;
}

function prefixes(value: string): [string, string][] {
  return Array.from({ length: Math.min(value.length, 512) + 1 }, (_, at) => [value.slice(0, at), value.slice(at)]);
}

function suffixes(value: string): [string, string][] {
  return Array.from({ length: Math.min(value.length, 512) + 1 }, (_, at) => {
    const end = value.length - at;
    return [value.slice(end), value.slice(0, end)];
  });
}

/** Of a shell pattern without nested brackets; null where it is more than that. */
export function globRegex(pattern: string): RegExp | null {
  if (pattern.length > 256 || (pattern.match(/\*/g)?.length ?? 0) > 8) return null;
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replaceAll('[!', '[^');
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    return null;
  }
}

function cased(value: string, operator: string): string {
  const first = operator.length === 1;
  const change = (text: string): string => (operator.startsWith('^') ? text.toUpperCase() : text.toLowerCase());
  return first ? change(value.slice(0, 1)) + value.slice(1) : change(value);
}

function tilde(text: string, scope: Scope): string {
  if (!text.startsWith('~')) return text;
  if (text === '~' || text.startsWith('~/')) return scope.home + text.slice(1);
  if (text === '~root' || text.startsWith('~root/')) return `/root${text.slice(5)}`;
  const user = /^~([A-Za-z_][\w-]*)(?=\/|$)/.exec(text);
  return user ? `/home/${user[1]}${text.slice(user[0].length)}` : text;
}

/** Brace expansion comes first, on the text: each result is a word of its own. */
function braced(word: Word, on: Expanding): string[] {
  const texts = expandBraces(word.text);
  if (texts.length <= 1) return [word.value];
  return texts.slice(0, MAX_FIELDS).flatMap((text) => {
    // The printed word again, without its outer braces: quotes and expansions in it count as before.
    const [statement] = parse(`: ${text}`).commands;
    const command = statement?.command;
    if (command?.type !== 'Command') return [text];
    return command.args.flatMap((arg) => {
      if (arg.type === 'Assignment') return [arg.text];
      return arg.parts?.some(({ type }) => type === 'BraceExpansion') === true ? [arg.value] : fieldsOf(arg, on);
    });
  });
}

function expandBraces(text: string): string[] {
  const span = firstBrace(text);
  if (span === null) return [text];
  const { start, end, parts } = span;
  const tails = expandBraces(text.slice(end + 1));
  const heads = parts.flatMap(expandBraces);
  const all: string[] = [];
  for (const head of heads)
    for (const tail of tails) if (all.length < MAX_FIELDS) all.push(text.slice(0, start) + head + tail);
  return all;
}

interface Brace {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly string[];
}

/** The first `{a,b}` or `{1..3}` outside of quotes. */
function firstBrace(text: string): Brace | null {
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '\\') at++;
    else if (char === "'" || char === '"') quote = char;
    else if (char === '{' && text[at - 1] !== '$') {
      const found = braceAt(text, at);
      if (found) return found;
    }
  }
  return null;
}

function braceAt(text: string, start: number): Brace | null {
  const commas: number[] = [];
  let depth = 0;
  let quote = '';
  for (let at = start; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '\\') at++;
    else if (char === "'" || char === '"') quote = char;
    else if (char === '{') depth++;
    else if (char === ',' && depth === 1) commas.push(at);
    else if (char === '}' && --depth === 0) {
      const parts = between(text, start, at, commas);
      return parts && { start, end: at, parts };
    }
  }
  return null;
}

function between(text: string, start: number, end: number, commas: readonly number[]): string[] | null {
  const inner = text.slice(start + 1, end);
  if (commas.length === 0) return range(inner);
  const cuts = [start, ...commas, end];
  return cuts.slice(1).map((cut, index) => text.slice((cuts[index] ?? 0) + 1, cut));
}

function range(inner: string): string[] | null {
  const numbers = /^(-?\d+)\.\.(-?\d+)$/.exec(inner);
  const letters = /^([a-zA-Z])\.\.([a-zA-Z])$/.exec(inner);
  if (!numbers && !letters) return null;
  const [from, to] = numbers
    ? [Number(numbers[1]), Number(numbers[2])]
    : [letters?.[1]?.charCodeAt(0) ?? 0, letters?.[2]?.charCodeAt(0) ?? 0];
  const step = from <= to ? 1 : -1;
  const count = Math.min(Math.abs(to - from) + 1, 256);
  return Array.from({ length: count }, (_, index) => {
    const value = from + index * step;
    return numbers ? String(value) : String.fromCharCode(value);
  });
}

/** What small filters make of a text that is known: enough to see what is hidden behind them. */
import { gunzipSync } from 'node:zlib';

import { parseOptions } from './arguments.ts';
import { isOpaque, NAME, unmarked } from './marks.ts';
import { globRegex } from './words.ts';

/** What a filter prints; null: it is none of these. */
export function filtered(name: string, argv: readonly string[], input: string): string | null {
  const filter = FILTERS[name];
  if (!filter) return null;
  // What cannot be read goes through as it is: still secret, still from the network, still unknown.
  if (isOpaque(input) && !KEEPS_MARKS.has(name)) return input;
  return filter(argv, input);
}

type Filter = (argv: readonly string[], input: string) => string | null;

const KEEPS_MARKS = new Set([
  'head',
  'tail',
  'cat',
  'tee',
  'sort',
  'uniq',
  'tac',
  'nl',
  'sponge',
  'pv',
  'buffer',
  'stdbuf',
]);
const same: Filter = (_argv, input) => input;

const FILTERS: Readonly<Record<string, Filter>> = {
  sort: (_argv, input) => lines(input).toSorted().join('\n'),
  uniq: same,
  sponge: same,
  pv: same,
  dos2unix: same,
  fold: same,
  expand: same,
  unexpand: same,
  iconv: same,
  tac: (_argv, input) => lines(input).toReversed().join('\n'),
  rev: (_argv, input) =>
    lines(input)
      .map((line) => Array.from(line).toReversed().join(''))
      .join('\n'),
  head: (argv, input) => taken(argv, input, (all, count) => all.slice(0, count)),
  tail: (argv, input) => taken(argv, input, (all, count) => all.slice(-count)),
  base64: (argv, input) => coded(argv, input, 'base64'),
  basenc: (argv, input) => coded(argv, input, argv.includes('--base16') ? 'hex' : 'base64'),
  base32: (argv, input) => (decodes(argv) ? base32(input) : NAME),
  xxd: (argv, input) => (parseOptions(argv).has('r') ? unhex(input) : NAME),
  hex: (_argv, input) => unhex(input),
  openssl: (argv, input) =>
    argv.includes('-d') && argv.some((arg) => /base64|-a$/.test(arg)) ? decoded(input, 'base64') : null,
  tr: translated,
  sed: substituted,
  cut: (argv, input) => cut(argv, input),
  gunzip: (_argv, input) => unzipped(input),
  zcat: (_argv, input) => unzipped(input),
  gzip: (argv, input) => (parseOptions(argv).has('d', 'decompress') ? unzipped(input) : NAME),
  paste: (_argv, input) => lines(input).join('\t'),
  awk: printed,
  gawk: printed,
  mawk: printed,
  grep: (_argv, input) => input,
  egrep: (_argv, input) => input,
};

function lines(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

function taken(argv: readonly string[], input: string, take: (lines: string[], count: number) => string[]): string {
  const parsed = parseOptions(argv, { valued: ['n', 'c', 'lines', 'bytes'] });
  const short = argv.find((arg) => /^-\d+$/.test(arg));
  const bytes = parsed.value('c', 'bytes');
  if (bytes !== undefined) return input.slice(0, Math.abs(Number(bytes)) || input.length);
  const count = Number(parsed.value('n', 'lines')?.replace('+', '') ?? short?.slice(1) ?? 10);
  return take(lines(input), Number.isInteger(count) ? Math.abs(count) : 10).join('\n');
}

function decodes(argv: readonly string[]): boolean {
  return argv.some((arg) => /^-[a-zA-Z]*[dD][a-zA-Z]*$/.test(arg) || arg.startsWith('--d'));
}

function coded(argv: readonly string[], input: string, coding: 'base64' | 'hex'): string {
  return decodes(argv) ? decoded(input, coding) : Buffer.from(input).toString(coding);
}

function decoded(input: string, coding: 'base64' | 'hex'): string {
  const bytes = Buffer.from(input.replaceAll(/\s+/g, ''), coding);
  // What is packed goes on to who unpacks it, byte for byte.
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? bytes.toString('latin1') : unmarked(bytes.toString('utf8'));
}

function base32(input: string): string {
  const bits = Array.from(input.toUpperCase().replaceAll(/[^A-Z2-7]/g, ''))
    .map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'))
    .join('');
  const bytes = bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
  return unmarked(Buffer.from(bytes).toString('utf8'));
}

/** A plain dump, or one with addresses before and text behind. */
function unhex(input: string): string {
  const plain = lines(input)
    .map((line) => line.replace(/^[0-9a-f]+:\s/i, '').replace(/\s{2,}.*$/, ''))
    .join('')
    .replaceAll(/0x|[^0-9a-f]/gi, '');
  return decoded(plain, 'hex');
}

function unzipped(input: string): string | null {
  try {
    return unmarked(gunzipSync(Buffer.from(input, 'latin1'), { maxOutputLength: 1 << 20 }).toString('utf8'));
  } catch {
    return null;
  }
}

function translated(argv: readonly string[], input: string): string {
  const { operands, flags } = parseOptions(argv, { untilOperand: true });
  const [from = '', to = ''] = operands.map(set);
  if (flags.has('d') || flags.has('delete'))
    return Array.from(input)
      .filter((char) => !from.includes(char))
      .join('');
  if (to === '') return input;
  return Array.from(input)
    .map((char) => {
      const at = from.indexOf(char);
      return at < 0 ? char : (to[Math.min(at, to.length - 1)] ?? char);
    })
    .join('');
}

/** `a-z`, `[:upper:]`, `\n`. */
function set(text: string): string {
  const named = text
    .replaceAll('[:upper:]', 'A-Z')
    .replaceAll('[:lower:]', 'a-z')
    .replaceAll('[:digit:]', '0-9')
    .replaceAll('[:alpha:]', 'A-Za-z')
    .replaceAll('[:alnum:]', 'A-Za-z0-9')
    .replaceAll('[:space:]', ' \t\n')
    .replaceAll('\\n', '\n')
    .replaceAll('\\t', '\t')
    .replaceAll(/\\([0-7]{1,3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return named.replaceAll(/(.)-(.)/gs, (_, a: string, b: string) => {
    const [first, last] = [a.charCodeAt(0), b.charCodeAt(0)];
    if (last < first || last - first > 512) return a + b;
    return Array.from({ length: last - first + 1 }, (__, index) => String.fromCharCode(first + index)).join('');
  });
}

/** `s/a/b/g` on literal text; any other program leaves the text as it is. */
function substituted(argv: readonly string[], input: string): string {
  const { operands, all } = parseOptions(argv, { valued: ['e', 'expression'] });
  const programs = all.length > 0 ? all.map(([, program]) => program) : operands.slice(0, 1);
  let text = input;
  for (const program of programs) {
    const found = /^s(.)(.*?)\1(.*?)\1(g?)[a-z]*$/s.exec(program.trim());
    if (!found) continue;
    const [, , from = '', to = '', global] = found;
    if (/[[\](){}+?|^$]/.test(from.replaceAll('\\', ''))) continue;
    const literal = globRegex(from.replaceAll('.*', '*').replaceAll('\\', ''));
    if (from.includes('*') && literal) text = text.replace(new RegExp(literal.source.slice(1, -1), 's'), () => to);
    else {
      const plain = from.replaceAll(/\\(.)/g, '$1');
      text = global === 'g' ? text.replaceAll(plain, () => to) : text.replace(plain, () => to);
    }
  }
  return text;
}

function cut(argv: readonly string[], input: string): string {
  const parsed = parseOptions(argv, { valued: ['d', 'f', 'c', 'b', 'delimiter', 'fields', 'characters'] });
  const delimiter = parsed.value('d', 'delimiter') ?? '\t';
  const fields = /^(\d+)(-(\d+)?)?$/.exec(parsed.value('f', 'fields') ?? '');
  const characters = /^(\d+)?(-(\d+)?)?$/.exec(parsed.value('c', 'b', 'characters') ?? '');
  const span = fields ?? characters;
  if (!span) return input;
  const from = Number(span[1] ?? 1) - 1;
  const to = span[2] === undefined ? from + 1 : Number(span[3] ?? 1e6);
  return lines(input)
    .map((line) => (fields ? line.split(delimiter).slice(from, to).join(delimiter) : line.slice(from, to)))
    .join('\n');
}

/** `{print $2}` and `{print "text"}` of awk. */
function printed(argv: readonly string[], input: string): string | null {
  const program = parseOptions(argv, { valued: ['F', 'v'] }).operands[0] ?? '';
  const found = /^(?:BEGIN\s*)?\{\s*print\s*(.*?)\s*;?\s*\}$/s.exec(program.trim());
  if (!found) return null;
  const [, what = ''] = found;
  if (what === '' || what === '$0') return input;
  const text = /^"([^"]*)"$/.exec(what);
  if (text) return text[1] ?? '';
  const field = /^\$(\d)$/.exec(what);
  return field
    ? lines(input)
        .map((line) => line.trim().split(/\s+/)[Number(field[1]) - 1] ?? '')
        .join('\n')
    : null;
}

/** `printf` and `echo -e`: escapes that hide letters. */
export function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|0?([0-7]{1,3})|([abefnrtv\\"'c]))/g,
    (
      _,
      hex: string | undefined,
      unicode: string | undefined,
      octal: string | undefined,
      letter: string | undefined,
    ) => {
      if (hex !== undefined) return unmarked(String.fromCharCode(Number.parseInt(hex, 16)));
      if (unicode !== undefined) return unmarked(String.fromCharCode(Number.parseInt(unicode, 16)));
      if (octal !== undefined) return unmarked(String.fromCharCode(Number.parseInt(octal, 8)));
      return ESCAPES[letter ?? ''] ?? '';
    },
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', "'": "'" };

/** What `printf FORMAT …` prints. */
export function formatted(format: string, values: readonly string[]): string {
  const rest = [...values];
  const once = (): string =>
    unescaped(format).replaceAll(
      /%(%|[-+ 0#]*\d*(?:\.\d+)?([a-zA-Z])|\((.*?)\)T)/g,
      (whole, _spec, letter: string | undefined) => {
        if (whole === '%%') return '%';
        if (letter === undefined) return NAME;
        const value = rest.shift() ?? '';
        return letter === 'b' ? unescaped(value) : value;
      },
    );
  let text = once();
  for (let turns = 0; rest.length > 0 && turns < 256 && /%[^%]/.test(format); turns++) text += once();
  return text;
}

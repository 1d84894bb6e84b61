/** How results look: tables for people, arrays of flat objects for programs. Text of events and documents is data. */
import { Scalar, stringify } from 'yaml';

import { harmless, STEERING } from '../http/json.ts';

/** Where a command writes; tests bring their own. */
export interface Terminal {
  /** Results. */
  out(text: string): void;
  /** Talk. */
  err(text: string): void;
  /** Columns; Infinity where there is no terminal. */
  readonly width: number;
  /** Whether stdout is a terminal. */
  readonly interactive: boolean;
  readonly paint: Paint;
}

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';
/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export const plain: Paint = (_colour, text) => text;
export const coloured: Paint = (colour, text) => `\u001b[${CODES[colour][0]}m${text}\u001b[${CODES[colour][1]}m`;

/** The process's own terminal: colour only with one, and without `NO_COLOR`. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const colour = stdout.isTTY && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    get width() {
      // Some terminals do not say how wide they are.
      return stdout.isTTY ? stdout.columns || 80 : Infinity;
    },
    interactive: stdout.isTTY,
    paint: colour ? coloured : plain,
  };
}

/** Text that steers no terminal: control, format and direction characters become visible escapes. */
export function safe(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (found) => {
    const code = found.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

const WIDE =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uff01-\uff60]$/u;

/** Columns that a text without escapes takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += /^\p{Mn}$/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** The text in at most `width` columns, with `…` where it was cut. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += widthOf(character);
    if (used > width) break;
    kept += character;
  }
  return `${kept}…`;
}

/** The text in lines of at most `width` columns, broken between words; what has no blank is cut. */
export function wrap(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && widthOf(longer) > width) {
      lines.push(cut(line, width));
      line = word;
    } else line = longer;
  }
  return [...lines, cut(line, width)];
}

export interface Column<R> {
  readonly title: string;
  readonly value: (row: R) => string;
  readonly align?: 'right';
  /** Only with `-o wide`. */
  readonly wide?: true;
  readonly colour?: (row: R) => Colour | undefined;
  /** Cut to so many columns unless `-o wide`. */
  readonly max?: number;
}

/** Aligned columns under a head; every line is cut to the terminal. */
export function table<R>(columns: readonly Column<R>[], rows: readonly R[], terminal: Terminal, wide = false): string {
  const shown = columns.filter((column) => wide || column.wide !== true);
  const limit = (column: Column<R>): number => (wide ? Infinity : (column.max ?? Infinity));
  const cells = rows.map((row) => shown.map((column) => cut(safe(column.value(row)), limit(column))));
  const widths = shown.map(({ title }, at) =>
    Math.max(widthOf(title), ...cells.map((line) => widthOf(line[at] ?? ''))),
  );
  const lines = [shown.map(({ title }) => title), ...cells].map((line, number) => {
    let left = terminal.width;
    return shown.flatMap((column, at) => {
      if (left <= 0) return [];
      const text = cut(line[at] ?? '', left);
      const pad = ' '.repeat(Math.max(0, Math.min(left, widths[at] ?? 0) - widthOf(text)));
      left -= (widths[at] ?? 0) + 3;
      const row = rows[number - 1];
      const colour = row === undefined ? 'dim' : column.colour?.(row);
      const painted = colour === undefined || text === '' ? text : terminal.paint(colour, text);
      return [column.align === 'right' ? pad + painted : painted + pad];
    });
  });
  return lines.map((line) => `${line.join('   ').trimEnd()}\n`).join('');
}

export const FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** One kind of list: how a person and how a program sees a row. */
export interface Listing<R> {
  readonly columns: readonly Column<R>[];
  /** Flat, in the design's words, times ISO and UTC. */
  readonly flat: (row: R) => Readonly<Record<string, unknown>>;
  /** Said on stderr instead of an empty table. */
  readonly none: string;
}

export function renderList<R>(
  { columns, flat, none }: Listing<R>,
  rows: readonly R[],
  format: Format,
  terminal: Terminal,
): string {
  if (format === 'json' || format === 'yaml') return renderData(rows.map(flat), format);
  if (rows.length > 0) return table(columns, rows, terminal, format === 'wide');
  terminal.err(`${none}\n`);
  return '';
}

export function renderData(data: unknown, format: 'json' | 'yaml'): string {
  // In YAML a text with such characters is written in double quotes, where JSON's escapes mean the same.
  return format === 'json' ? `${jsonText(data, 2)}\n` : harmless(stringify(data, yamlText));
}

/** JSON that controls no terminal: what it may leave raw, 8-bit controls and bidirectional marks, is escaped too. */
export function jsonText(data: unknown, indent = 0): string {
  return harmless(JSON.stringify(data, null, indent));
}

/** Such texts in double quotes, all others as they are. */
function yamlText(_key: unknown, value: unknown): unknown {
  if (typeof value !== 'string' || value.search(STEERING) < 0) return value;
  const scalar = new Scalar(value);
  scalar.type = 'QUOTE_DOUBLE';
  return scalar;
}

/** Local and short, for people: the day only when it is another. */
export function timeText(ms: number, now = Date.now()): string {
  const time = new Date(ms);
  const two = (number: number): string => String(number).padStart(2, '0');
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  const sameDay = time.toDateString() === new Date(now).toDateString();
  return sameDay ? clock : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

export function isoTime(ms: number | null): string | null {
  return ms === null || ms === 0 ? null : new Date(ms).toISOString();
}

/** A duration for people: `4 ms`, `1.2 s`, `3 min`. */
export function duration(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 999.5) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** Names that are listed; of more the number is told. */
const NAMES = 20;

/** `a · b · c`, of many the first. */
export function namesText(names: readonly string[]): string {
  const rest = names.length > NAMES ? [`and ${(names.length - NAMES).toLocaleString('en')} more`] : [];
  return [...names.slice(0, NAMES), ...rest].join(' · ');
}

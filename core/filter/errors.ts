import { AppError } from '../errors.ts';

/** A place in a condition's text. */
export interface Position {
  /** UTF-16 code units from 0. */
  readonly offset: number;
  /** From 1; only LF ends a line. */
  readonly line: number;
  /** UTF-16 code units from 1. */
  readonly column: number;
}

/** What is wrong with a condition, where, and what would have been right. */
export interface Problem {
  readonly message: string;
  readonly offset: number;
  /** How many code units the caret marks; 1 when not given. */
  readonly length?: number;
  readonly expected: string;
}

/**
 * A condition that was refused: all of it is about the first problem from the left (nlmon A10.9), but for `all`. `caret` is two
 * lines for a terminal.
 */
export class FilterError extends AppError implements Position {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  /** What is wrong, without the place and without what was expected; the message has all three. */
  readonly reason: string;
  readonly expected: string;
  readonly caret: string;

  /** Every problem, from the left: unknown names, bad patterns, and the one place where reading ended. */
  readonly all: readonly Problem[];

  constructor(text: string, first: Problem, others: readonly Problem[] = []) {
    const { message, offset, length, expected } = first;
    const position = positionAt(text, offset);
    super('FILTER_INVALID', `${message} at line ${position.line}, column ${position.column}; expected ${expected}`, {
      details: { ...position, expected },
    });
    this.name = 'FilterError';
    this.offset = offset;
    this.line = position.line;
    this.column = position.column;
    this.reason = message;
    this.expected = expected;
    this.caret = caret(text, offset, length);
    this.all = [first, ...others];
  }
}

/** Where the reading of a condition ends; becomes part of its FilterError. */
export class Unreadable extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** The line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  let line = 1;
  for (let end = text.indexOf('\n'); end !== -1 && end < offset; end = text.indexOf('\n', end + 1)) line++;
  return { offset, line, column: offset - lineStart(text, offset) + 1 };
}

function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
}

/** How much of a long line is shown on each side of the marked place. */
const CONTEXT = 60;

/**
 * The line of `offset` with a second line that marks `length` code units there, never beyond the line. Safe to print:
 * control and formatting characters are replaced, tabs are kept so that the mark stands under its place.
 */
export function caret(text: string, offset: number, length = 1): string {
  const start = lineStart(text, offset);
  const [line = ''] = text.slice(start).split(/\r?\n/, 1);
  const from = Math.max(0, offset - start - CONTEXT);
  const to = Math.min(line.length, offset - start + CONTEXT);

  const before = (from > 0 ? '…' : '') + printable(line.slice(from, offset - start));
  const marked = printable(line.slice(offset - start, Math.min(to, offset - start + length)));
  const after = printable(line.slice(offset - start + length, to)) + (to < line.length ? '…' : '');
  const mark = before.replaceAll(/[^\t]/gu, ' ') + (marked.replaceAll(/./gu, '^') || '^');
  return `${before}${marked}${after}\n${mark}`;
}

/** Text of a document or an event must not steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (found) => (found === '\t' ? found : '\uFFFD'));
}

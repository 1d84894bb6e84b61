/** Errors that point and propose: file, line and column, the text with a caret, what was expected, what happens now. */
import { AppError, caret, ConfigError, errorText, type Issue, placeInExcerpt, type RefusedHook } from '#core';

import { safe, type Terminal } from './output.ts';

/** Exit codes: usage or invalid input is the caller's to mend, everything else failed. */
export function exitCodeOf(thrown: unknown): 1 | 2 {
  const usage = ['USAGE', 'CONFIG_INVALID', 'FILTER_INVALID', 'MESSAGE_INVALID'];
  return thrown instanceof AppError && usage.includes(thrown.code) ? 2 : 1;
}

/** Any error as text for stderr. */
export function renderError(thrown: unknown, terminal: Terminal): string {
  const head = terminal.paint('red', 'error:');
  if (!(thrown instanceof ConfigError)) return `${head} ${safe(errorText(thrown))}\n`;
  const [first] = thrown.issues;
  if (thrown.issues.length === 1 && first && first.line === undefined) return `${head} ${safe(thrown.message)}\n`;
  return `${head} ${count(thrown.issues.length, 'problem')}\n${renderIssues(thrown.issues, terminal)}`;
}

/** The same as data, for `-o json`. */
export function errorData(thrown: unknown): object {
  const code = thrown instanceof AppError ? thrown.code : 'INTERNAL';
  const issues =
    thrown instanceof ConfigError ? thrown.issues.map((issue) => ({ code, ...issueData(issue) })) : undefined;
  return { error: { code, message: errorText(thrown), ...(issues ? { issues } : {}) } };
}

/** One problem, flat: what the API and a resource's status say too. */
export function issueData({ path, message, expected, file, line, column }: Issue): Readonly<Record<string, unknown>> {
  return { path, message, expected: expected ?? null, file: file ?? null, line: line ?? null, column: column ?? null };
}

/** Every refused hook with all its problems; `now` says what happens, a line for each. */
export function renderRefused(
  refused: readonly RefusedHook[],
  terminal: Terminal,
  now: (refused: RefusedHook) => string,
): string {
  return refused
    .map((one) => {
      const whole = one.issues.every(({ path }) => path === '');
      const name =
        one.id === null ? `${whole ? '' : 'a hook of '}${one.file}` : `hook "${one.id.replace(/^trotline\//, '')}"`;
      const head = `${terminal.paint('red', 'error:')} ${safe(name)} refused (${count(one.issues.length, 'problem')})\n`;
      const then = now(one);
      return `${head}${renderIssues(one.issues, terminal)}${then === '' ? '' : `${safe(then)}\n`}`;
    })
    .join('');
}

export function renderIssues(issues: readonly Issue[], terminal: Terminal): string {
  const places = issues.map(placeOf);
  const width = Math.max(0, ...places.map((place) => place.length));
  return issues.map((issue, at) => renderIssue(issue, (places[at] ?? '').padEnd(width), terminal)).join('');
}

/** Lines of text around a caret are cut by `caret` itself. */
function renderIssue(issue: Issue, place: string, { paint }: Terminal): string {
  const { message, expected, line, column, excerpt } = issue;
  const what = [pathText(issue.path), message]
    .filter((part) => part !== '')
    .join(pathText(issue.path) === '' || startsAsVerb(message) ? ' ' : ': ');
  const proposal = expected === undefined ? '' : `expected ${shortList(expected, message)}`;
  if (excerpt === undefined || line === undefined) {
    return `  ${safe(place)}  ${safe(what)}${proposal === '' ? '' : `; ${safe(proposal)}`}\n`;
  }
  const at = placeInExcerpt(column ?? 1);
  const [text = '', mark = ''] = caret(excerpt, at, tokenLength(excerpt, at)).split('\n');
  const number = String(line);
  const pad = ' '.repeat(number.length);
  const marks = paint('red', mark);
  return [
    `  ${safe(place)}  ${safe(what)}`,
    `     ${paint('dim', `${number} │`)} ${text}`,
    `     ${paint('dim', `${pad} │`)} ${marks}${proposal === '' ? '' : `  ${safe(proposal)}`}`,
    '',
  ].join('\n');
}

/** `/actions/0/config` is required → `actions[0].config is required`, else `path: message`. */
function startsAsVerb(message: string): boolean {
  return /^(is|must|has|needs) /.test(message);
}

function placeOf({ file, line, column }: Issue): string {
  return [file, line, column].filter((part) => part !== undefined).join(':');
}

/** `/spec/actions/0/config/timeout` → `actions[0].config.timeout`. */
export function pathText(pointer: string): string {
  const keys = pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const own = keys[0] === 'spec' ? keys.slice(1) : keys;
  return own.reduce((text, key) => (/^\d+$/.test(key) ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`), '');
}

/** The first of a long list; all fields are a command of their own. */
function shortList(expected: string, message: string): string {
  const words = expected.split(', ');
  if (words.length <= LIST_WORDS) return expected;
  return `${words.slice(0, LIST_WORDS).join(', ')}, …${message.startsWith('unknown field') ? ' (all: trotline fields)' : ''}`;
}

const LIST_WORDS = 8;

/** The word that the caret marks. */
function tokenLength(excerpt: string, at: number): number {
  return /^[\p{L}\p{N}_.-]+/u.exec(excerpt.slice(at))?.[0].length ?? 1;
}

export function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
}

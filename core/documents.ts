/** YAML text whose every place can be named: documents with file, line and column of each JSON pointer. */
import { type Document, isAlias, isNode, isScalar, LineCounter, parseAllDocuments, visit } from 'yaml';

import { ConfigError, type Issue } from './errors.ts';
import { offsetOf } from './node-place.ts';

export interface SourceDocument {
  readonly file: string;
  /** Plain data. */
  readonly value: unknown;
  /** The issue with file, line, column and an excerpt of the line added; `offset` counts inside a text value. */
  place(issue: Issue, offset?: number): Issue;
  /** Lines with a part of a value whose key is chosen, at any depth; behind an alias those of the anchored text too. */
  linesOf(chosen: (key: string, beside: (key: string) => unknown) => boolean): number[];
}

/** One file holds some 13,000 hooks in that; reading it takes one to two seconds. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Of one document, each use of an alias counted in full. */
const MAX_VALUES = 1_000_000;
const MAX_DEPTH = 100;
const MAX_SYNTAX_ISSUES = 100;
/** How much of a long line an excerpt has on each side of the column. */
const AROUND = 100;

/** Refuses the whole text when it is not YAML or unreasonably large. Empty documents are left out. */
export function readDocuments(source: string, file: string): SourceDocument[] {
  const text = source.replace(/^\uFEFF/, '');
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES) {
    throw new ConfigError(file, [{ path: '', message: `has ${bytes} bytes`, expected: `at most ${MAX_BYTES}`, file }]);
  }
  const lines = new LineCounter();
  const at = (offset: number, issue: Issue): Issue => {
    const { line, col } = lines.linePos(offset);
    const from = offset - placeInExcerpt(col);
    const excerpt = text
      .slice(from, Math.min(offset + AROUND, lines.lineStarts[line] ?? Infinity))
      .replace(/\r?\n$/, '');
    const { atKey: _, ...rest } = issue;
    return { ...rest, file, line, column: col, excerpt };
  };

  const documents = [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })];
  const issues = documents.flatMap((document) =>
    syntaxIssues(document).map(({ offset, ...issue }) => at(offset, issue)),
  );
  if (issues.length > 0) throw new ConfigError(file, issues.slice(0, MAX_SYNTAX_ISSUES));
  return documents.flatMap((document) => {
    const value: unknown = document.toJS({ maxAliasCount: -1 });
    if (value === null) return [];
    const size = sizeIssue(value);
    if (size) throw new ConfigError(file, [at(offsetOf(document, size, text), size)]);
    const lineAt = (offset: number): number => lines.linePos(offset).line;
    return [
      {
        file,
        value,
        place: (issue, offset = 0) => at(offsetOf(document, issue, text, offset), issue),
        linesOf: (chosen) => chosenLines(document, lineAt, chosen),
      },
    ];
  });
}

/** Where the column of an issue is in its excerpt, from 0: the excerpt of a long line does not begin with the line. */
export function placeInExcerpt(column: number): number {
  return Math.min(column - 1, AROUND);
}

function chosenLines(
  document: Document,
  lineAt: (offset: number) => number,
  chosen: Parameters<SourceDocument['linesOf']>[0],
): number[] {
  const found = new Set<number>();
  const seen = new Set<unknown>();
  const add = (value: unknown): void => {
    const node = isAlias(value) ? value.resolve(document) : value;
    if (!isNode(node) || !node.range || seen.has(node)) return;
    seen.add(node);
    const last = lineAt(Math.max(node.range[0], node.range[1] - 1));
    for (let line = lineAt(node.range[0]); line <= last; line++) found.add(line);
    visit(node, { Alias: (_, alias) => add(alias) });
  };
  visit(document, {
    Map: (_, map) => {
      for (const { key, value } of map.items) {
        if (isScalar(key) && chosen(String(key.value), (name) => map.get(name))) add(value);
      }
    },
  });
  return [...found];
}

function syntaxIssues(document: Document): (Issue & { offset: number })[] {
  const tooDeep = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION');
  if (tooDeep) return [{ ...TOO_DEEP, offset: tooDeep.pos[0] }];
  const errors = document.errors.map(({ message, pos }) => ({ path: '', message, offset: pos[0] }));
  return errors.length > 0 ? errors : unknownAliases(document);
}

const TOO_DEEP: Issue = { path: '', message: 'is nested too deeply', expected: `at most ${MAX_DEPTH} levels` };

function unknownAliases(document: Document): (Issue & { offset: number })[] {
  const issues: (Issue & { offset: number })[] = [];
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, node) => {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.add(node.anchor);
      } else if (!anchors.has(node.source)) {
        const message = `the alias *${node.source} has no anchor before it`;
        issues.push({ path: '', message, offset: node.range?.[0] ?? 0 });
      }
    },
  });
  return issues;
}

/** Aliases can make a small text into endless data: they are counted as often as they are used. */
function sizeIssue(value: unknown): Issue | null {
  let left = MAX_VALUES;
  const walk = (part: unknown, depth: number): Issue | null => {
    if (--left < 0) {
      const expected = `at most ${MAX_VALUES} values, each use of an alias counted`;
      return { path: '', message: 'holds too much', expected };
    }
    if (typeof part !== 'object' || part === null) return null;
    if (depth === 0) return TOO_DEEP;
    for (const inner of Object.values(part)) {
      const found = walk(inner, depth - 1);
      if (found) return found;
    }
    return null;
  };
  return walk(value, MAX_DEPTH);
}

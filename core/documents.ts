/** YAML text whose every place can be named: documents with file, line and column of each JSON pointer. */
import { isScalar, type Document, LineCounter, parseAllDocuments } from 'yaml';

import { ConfigError, type Issue } from './errors.ts';
import { unpointerKey } from './schema.ts';

export interface SourceDocument {
  readonly file: string;
  /** Plain data. */
  readonly value: unknown;
  /** The issue with file, line, column and the line's text added; `offset` counts inside a text value. */
  place(issue: Issue, offset?: number): Issue;
}

/** Refuses the whole text when it is not YAML. Empty documents are left out. */
export function readDocuments(text: string, file: string): SourceDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const parsed = [...documents];
  const issues = parsed.flatMap((document) =>
    document.errors.map((error): Issue => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { path: '', message: error.message, file, line, column: col, excerpt: lineOf(text, line) };
    }),
  );
  if (issues.length > 0) throw new ConfigError(file, issues);
  return parsed.flatMap((document) => {
    if (document.contents === null) return [];
    return [{ file, value: plain(document, file), place: placer(document, text, file, lines) }];
  });
}

function plain(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    throw new ConfigError(file, [{ path: '', message: error instanceof Error ? error.message : String(error), file }]);
  }
}

function placer(document: Document, text: string, file: string, lines: LineCounter): SourceDocument['place'] {
  return (issue, offset = 0) => {
    const start = startOf(document, issue.path, text, offset);
    const { line, col } = lines.linePos(start);
    return { ...issue, file, line, column: col, excerpt: lineOf(text, line) };
  };
}

/** Offset in the text of the node at a pointer, or of its nearest parent that exists. */
function startOf(document: Document, path: string, text: string, offset: number): number {
  const keys = path.split('/').slice(1).map(unpointerKey);
  for (let depth = keys.length; depth >= 0; depth--) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(keys.slice(0, depth), true);
    if (!hasRange(node)) continue;
    const [start, end] = node.range;
    if (depth < keys.length || !isScalar(node) || typeof node.value !== 'string') return start;
    const inside = text.slice(start, end).indexOf(node.value);
    return inside < 0 ? start : start + inside + offset;
  }
  return 0;
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

function lineOf(text: string, line: number): string {
  return text.split('\n')[line - 1] ?? '';
}

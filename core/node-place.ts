/** Where in a YAML text the thing at a JSON pointer is written. */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Scalar } from 'yaml';

import type { Issue } from './errors.ts';
import { pointerKeys } from './pointer.ts';

/**
 * Offset in `text` of what the issue is about, or of its nearest parent that exists; behind an alias it is the anchored
 * text. `inside` counts UTF-16 units in a text value.
 */
export function offsetOf(document: Document, { path, atKey }: Issue, text: string, inside = 0): number {
  const keys = pointerKeys(path);
  let node: unknown = document.contents;
  for (const [depth, key] of keys.entries()) {
    const pair = pairAt(node, key);
    if (!pair) return startOf(node);
    if (atKey === true && depth === keys.length - 1 && isNode(pair.key)) return startOf(pair.key);
    node = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
    // `key:` without a value.
    if (isNode(pair.key) && isScalar(node) && node.source === '') node = pair.key;
  }
  return isScalar(node) && typeof node.value === 'string' ? placeInside(node, node.value, text, inside) : startOf(node);
}

function pairAt(node: unknown, key: string): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const index = Number(key);
    return index < node.items.length ? { key: undefined, value: node.items[index] } : undefined;
  }
  if (!isMap(node)) return undefined;
  return node.items.find((pair) => keyText(pair.key) === key);
}

/** A key as plain data has it: `1:` is "1", `~:` is "". */
function keyText(key: unknown): string {
  return isScalar(key) && key.value === null ? '' : String(key);
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

/** Walks the text of a scalar and its value side by side, as far as `inside` in the value. */
function placeInside(node: Scalar, value: string, text: string, inside: number): number {
  let from = contentStart(node, text);
  let at = 0;
  while (at < inside && from < text.length) {
    const step = (node.type === 'QUOTE_DOUBLE' && escape(text, from)) ||
      (node.type === 'QUOTE_SINGLE' && text[from] === "'" && { source: 2, value: 1 }) ||
      fold(text, from, value, at, inside - at) || { source: 1, value: 1 };
    from += step.source;
    at += step.value;
  }
  return from;
}

interface Step {
  /** How many units of the text … */
  readonly source: number;
  /** … stand for how many of the value. */
  readonly value: number;
}

function contentStart({ type, range }: Scalar, text: string): number {
  const start = range?.[0] ?? 0;
  if (type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE') return start + 1;
  if (type !== 'BLOCK_LITERAL' && type !== 'BLOCK_FOLDED') return start;
  const [header = ''] = /^.*\n\s*/.exec(text.slice(start)) ?? [];
  return start + header.length;
}

const ESCAPE = /\\(?:(\r?\n[ \t]*)|x[\da-fA-F]{2}|u[\da-fA-F]{4}|(U[\da-fA-F]{8})|.)/y;

function escape(text: string, from: number): Step | null {
  ESCAPE.lastIndex = from;
  const match = ESCAPE.exec(text);
  if (!match) return null;
  const [all, continuation, long] = match;
  if (continuation !== undefined) return { source: all.length, value: 0 };
  const astral = long !== undefined && Number.parseInt(long.slice(1), 16) > 0xffff;
  return { source: all.length, value: astral ? 2 : 1 };
}

const BLANKS = /[ \t]*(\r?\n\s*)?/y;
const WHITE = /\s*/y;

/**
 * A run of blanks, at most `left` of them. With a line break in it, it stands for a blank, some line breaks, or (at an end)
 * nothing.
 */
function fold(text: string, from: number, value: string, at: number, left: number): Step | null {
  BLANKS.lastIndex = from;
  const [blanks = '', lineBreak] = BLANKS.exec(text) ?? [];
  if (blanks === '') return null;
  if (lineBreak === undefined) return { source: Math.min(left, blanks.length), value: Math.min(left, blanks.length) };
  WHITE.lastIndex = at;
  return { source: blanks.length, value: WHITE.exec(value)?.[0].length ?? 0 };
}

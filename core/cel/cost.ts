/** Bounds what one evaluation takes: the steps before it ever runs, the text while it runs. */
import type { Problem } from '../filter/errors.ts';
import { type CelNode, comprehensionOf, inInt, INT_OVERFLOW, partsOf } from './library.ts';

/** Nodes that are evaluated at most, lists gone through to their ends; about 0.1 µs each. */
export const MOST_STEPS = 5_000;
/** UTF-16 code units that one evaluation may read or make. */
export const MOST_TEXT = 256 * 1024;
/** A regular expression takes so much longer for one than a comparison. */
export const PATTERN_WEIGHT = 16;

/** Of a checked expression why it costs too much, if it does. Lists are literals in the end, so their lengths are known. */
export function costProblem(root: CelNode): Problem | null {
  const list = listOfLists(root);
  if (list)
    return { ...placeOf(list), message: 'a list of lists', expected: 'a list of strings, numbers or truth values' };
  const steps = stepsOf(root);
  if (steps <= MOST_STEPS) return null;
  return {
    ...placeOf(root),
    message: `takes up to ${steps} steps`,
    expected: `at most ${MOST_STEPS}: fewer or shorter lists in each other`,
  };
}

export function placeOf({ start, end }: CelNode): { offset: number; length: number } {
  return { offset: start, length: end - start };
}

/** Its items have lengths that nobody counts. */
function listOfLists(node: CelNode): CelNode | null {
  if (node.checkedType?.valueType?.kind === 'list') return node;
  for (const part of partsOf(node)) {
    const found = listOfLists(part);
    if (found) return found;
  }
  return null;
}

function stepsOf(node: CelNode): number {
  const comprehension = comprehensionOf(node);
  if (!comprehension) return partsOf(node).reduce((sum, part) => sum + stepsOf(part), 1);
  const { iterable, step } = comprehension;
  return 1 + stepsOf(iterable) + itemsOf(iterable) * stepsOf(step);
}

/** The length that a list can have. */
function itemsOf(node: CelNode): number {
  const parts = partsOf(node);
  if (node.op === 'list') return parts.length;
  if (node.op === '+') return parts.reduce((sum, part) => sum + itemsOf(part), 0);
  if (node.op === '?:') return Math.max(...parts.slice(1).map(itemsOf));
  const [first] = parts;
  if (first === undefined) return 0;
  return node.meta.alternate || comprehensionOf(node) ? itemsOf(first) : 0;
}

/** Counts the text of one evaluation. Once too much stays too much, also where an operator swallows the error. */
export class Meter {
  static readonly #tooMuch = new Error(`more than ${MOST_TEXT} characters were read or made`);
  #spent = 0;
  #lastFailure: unknown;

  reset(): void {
    this.#spent = 0;
    this.#lastFailure = undefined;
  }

  get exceeded(): Error | null {
    return this.#spent > MOST_TEXT ? Meter.#tooMuch : null;
  }

  charge(characters: number): void {
    this.#spent += characters;
    if (this.#spent > MOST_TEXT) throw Meter.#tooMuch;
  }

  /** An error that the library made for the node at this offset: it goes through the text up to there. */
  chargeFailure(failure: unknown, offset: number): void {
    if (failure === this.#lastFailure || !(failure instanceof Error) || !('summary' in failure)) return;
    this.#lastFailure = failure;
    this.charge(FAILURE_TEXT + offset);
  }
}

/** What an error costs beside going through the text. */
const FAILURE_TEXT = 4_096;

/** Nodes that may fail for other reasons than an absent field. */
const FALLIBLE = new Set(['+', '-', '*', '/', '%', '-_', '[]', 'call', 'rcall']);

/** After the check: every text that a node makes is charged, and every failure; an int that became too large is one. */
export function meterNodes(node: CelNode, meter: Meter): void {
  partsOf(node).forEach((part) => meterNodes(part, meter));
  if (node.op === 'value' || node.meta.macro || node.meta.alternate) return;
  if (node.checkedType?.name !== 'string' && !FALLIBLE.has(node.op)) return;
  const { evaluate } = node.meta;
  node.setMeta('evaluate', (...given: Parameters<typeof evaluate>) => {
    meter.charge(0);
    let value: unknown;
    try {
      value = evaluate(...given);
    } catch (failure) {
      meter.chargeFailure(failure, node.start);
      throw failure;
    }
    if (typeof value === 'string') meter.charge(value.length);
    // The library looks at sums, differences and products alone.
    if (typeof value === 'bigint' && !inInt(value)) throw INT_OVERFLOW;
    return value;
  });
}

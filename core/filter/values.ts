import type { Scalar } from '../event.ts';

export type Relation = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Numeric = number | bigint;

export function isNumeric(value: Scalar | undefined): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Equality, exact also between a number and a bigint, where `===` never holds. */
export function equal(left: Numeric, right: Numeric): boolean {
  // oxlint-disable-next-line eqeqeq
  return left == right;
}

/** One form for each value, so that equal numbers are one key of a set, whether they came as number or as bigint. */
export function canonical(value: Scalar): Scalar {
  return typeof value === 'bigint' && equal(value, Number(value)) ? Number(value) : value;
}

/** The one rule of truth (nlmon A10.5): what cannot be compared is false, for every relation. */
export function compare(relation: Relation, left: Scalar | undefined, right: Scalar | undefined): boolean {
  if (typeof left === 'string' && typeof right === 'string') return HOLDS[relation](byteOrder(left, right));
  if (isNumeric(left) && isNumeric(right)) return HOLDS[relation](numericOrder(left, right));
  if (typeof left === 'boolean' && typeof right === 'boolean') {
    return relation === '==' ? left === right : relation === '!=' && left !== right;
  }
  return false;
}

const HOLDS: Readonly<Record<Relation, (order: number) => boolean>> = {
  '==': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function numericOrder(left: Numeric, right: Numeric): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return equal(left, right) ? 0 : Number.NaN;
}

/**
 * The order of the UTF-8 bytes, which is that of code points. UTF-16 differs in one thing: surrogates, which stand for
 * the highest code points, sort below U+E000.
 */
function byteOrder(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a !== b) return rank(a) - rank(b);
  }
  return left.length - right.length;
}

/** Surrogates above all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

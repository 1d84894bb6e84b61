import type { Scalar } from '../../../../core/event.ts';
import type { Values } from './kit.ts';

/**
 * A second evaluator of conditions, written from the specification in another way: one expression cuts the text into
 * words, precedences order them into reverse polish notation, a stack runs it. It takes only correct texts, with patterns
 * that mean the same to the engine of JavaScript.
 */
export function evaluate(text: string, values: Values): boolean {
  const stack: Value[] = [];
  for (const word of reversePolish(text)) {
    if (typeof word !== 'string') {
      stack.push(word);
    } else if (word.startsWith('field ')) {
      stack.push({ is: values[word.slice(6)] });
    } else if (word === 'NOT') {
      stack.push({ is: stack.pop()!.is !== true });
    } else {
      const right = stack.pop()!;
      const left = stack.pop()!;
      stack.push({ is: apply(word, left, right, values) });
    }
  }
  return stack.pop()!.is === true;
}

/** A value, or absent; a list keeps its words. */
interface Value {
  readonly is: Scalar | undefined;
  readonly list?: readonly (string | Value)[];
}

const WORDS = /\s*('(?:\\.|[^\\'])*'|"(?:\\.|[^\\"])*"|[a-z_][\w.]*|\d+|[=!]~|[=!<>]=|[<>()[\],])/giy;
const PRECEDENCE: Readonly<Record<string, number>> = { OR: 1, AND: 2, NOT: 3 };
const COMPARISON = 4;

function reversePolish(text: string): (string | Value)[] {
  const output: (string | Value)[] = [];
  const waiting: string[] = [];
  let list: (string | Value)[] | null = null;
  for (const [, word = ''] of text.matchAll(WORDS)) {
    const value = valueOf(word);
    if (list !== null) {
      if (word === ']') {
        output.push({ is: undefined, list });
        list = null;
      } else if (value !== null) list.push(value);
    } else if (word === '[') list = [];
    else if (value !== null) output.push(value);
    else if (word === '(') waiting.push(word);
    else if (word === ')') {
      while (waiting.at(-1) !== '(') output.push(waiting.pop()!);
      waiting.pop();
    } else {
      const sign = word.toUpperCase();
      const stronger = (other: string | undefined) =>
        sign !== 'NOT' &&
        other !== undefined &&
        other !== '(' &&
        (PRECEDENCE[other] ?? COMPARISON) >= (PRECEDENCE[sign] ?? COMPARISON);
      while (stronger(waiting.at(-1))) output.push(waiting.pop()!);
      waiting.push(sign);
    }
  }
  return [...output, ...waiting.toReversed()];
}

function valueOf(word: string): string | Value | null {
  if (/^['"]/.test(word))
    return {
      is: word.slice(1, -1).replaceAll(/\\(.)/gs, (pair, char: string) => ('\\\'"'.includes(char) ? char : pair)),
    };
  if (/^\d/.test(word)) return { is: BigInt(word) > 2n ** 63n - 1n ? 2n ** 63n - 1n : BigInt(word) };
  if (/^[a-z_]/i.test(word) && !/^(and|or|not|in)$/i.test(word)) return `field ${word.toLowerCase()}`;
  return null;
}

function apply(sign: string, { is: left }: Value, right: Value, values: Values): boolean {
  if (sign === 'AND') return left === true && right.is === true;
  if (sign === 'OR') return left === true || right.is === true;
  if (sign === 'IN') {
    return right.list!.some((item) => order(left, typeof item === 'string' ? values[item.slice(6)] : item.is) === 0);
  }
  if (sign === '=~' || sign === '!~') {
    return typeof left === 'string' && new RegExp(String(right.is), 'u').test(left) === (sign === '=~');
  }
  const result = order(left, right.is);
  if (result === null) return false;
  if (typeof left === 'boolean') return sign === '==' ? result === 0 : sign === '!=' && result !== 0;
  return {
    '==': result === 0,
    '!=': result !== 0,
    '<': result < 0,
    '<=': result <= 0,
    '>': result > 0,
    '>=': result >= 0,
  }[sign]!;
}

/** Below, equal or above 0; null where there is no order. */
function order(left: Scalar | undefined, right: Scalar | undefined): number | null {
  if (left === undefined || right === undefined) return null;
  if (typeof left === 'string')
    return typeof right === 'string' ? Buffer.compare(Buffer.from(left), Buffer.from(right)) : null;
  if (typeof left === 'boolean' || typeof right === 'boolean')
    return typeof left === typeof right ? Number(left !== right) : null;
  if (typeof right === 'string') return null;
  const difference = BigInt(left) - BigInt(right);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

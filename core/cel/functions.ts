/** Functions where the library does otherwise than CEL says. */
import type { Scalar } from '../event.ts';
import { type CelNode, inInt, INT_OVERFLOW, type Replacement } from './library.ts';

/** What a function gives for each type that it takes; the type of what it gives. */
interface OwnFunction {
  readonly takes: Readonly<Record<string, (value: unknown) => Scalar>>;
  readonly gives: string;
}

/** As long as the library takes it. */
const INT_TEXT = /^(?=.{1,20}$)[+-]?[0-9]+$/;
// Made once: a failure on every event costs no stack trace.
const NO_INT = new Error('int() type error: cannot convert to int');

const INT: OwnFunction = {
  gives: 'int',
  takes: {
    int: (value) => (typeof value === 'bigint' ? value : fail(NO_INT)),
    string(value) {
      const number = typeof value === 'string' && INT_TEXT.test(value) ? BigInt(value) : null;
      return number !== null && inInt(number) ? number : fail(NO_INT);
    },
    // CEL's own tests refuse both ends: a double there may stand for a number that is beyond.
    double: (value) =>
      typeof value === 'number' && Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : fail(INT_OVERFLOW),
  },
};

/** Called with one argument. */
export const OWN_FUNCTIONS: ReadonlyMap<string, OwnFunction> = new Map([['int', INT]]);

/** Called on a value, without an argument. */
export const OWN_METHODS: ReadonlyMap<string, OwnFunction> = new Map([
  ['lowerAscii', ofText((text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()))],
  ['upperAscii', ofText((text) => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()))],
]);

/** `written`: the call for people, from the type that was given. `made` is told of what it made. */
export function replaceCall(
  node: CelNode,
  part: CelNode,
  { takes, gives }: OwnFunction,
  written: (type: string) => string,
  made: (value: Scalar) => void,
): void {
  const byType = new Map(Object.entries(takes));
  let call: ((value: unknown) => Scalar) | undefined;
  node.setMeta('async', false).setMeta('macro', {
    typeCheck: (checker, _, context) => {
      const { name, kind } = checker.check(part, context);
      call = byType.get(name);
      // An item of an empty list has any type, and never comes.
      if (call || kind === 'param') return checker.getType(gives);
      throw checker.createError('no_such_overload', `no such overload: ${written(name)}`, node);
    },
    evaluate: (evaluator, _, context) => {
      const value = call?.(evaluator.run(part, context)) ?? false;
      made(value);
      return value;
    },
  } satisfies Replacement);
}

function ofText(change: (text: string) => string): OwnFunction {
  return { gives: 'string', takes: { string: (value) => (typeof value === 'string' ? change(value) : '') } };
}

function fail(error: Error): never {
  throw error;
}

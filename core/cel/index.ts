/** CEL beside the condition language: the same fields as `event.netlink.link.mtu`, bounded in time (design section 4). */
import type { Environment } from '@marcbachmann/cel-js/evaluator';

import type { EventFields } from '../event.ts';
import { FilterError, positionAt, type Problem } from '../filter/errors.ts';
import { actualText } from '../filter/explain.ts';
import type { Condition } from '../filter/index.ts';
import { isObject } from '../pointer.ts';
import { costProblem, Meter, meterNodes, placeOf } from './cost.ts';
import { isNode, loadLibrary } from './library.ts';
import { resolve, type Resolved, type Subject } from './resolve.ts';

/** Compiles an expression once, for many events. Throws FilterError: with every unknown name, or the first other problem. */
export type CompileCel = (text: string) => Condition;

const MAX_BYTES = 16 * 1024;
const EXPECTED = 'CEL over event.FIELD (docs/cel.md)';

let loading: Promise<CompileCel> | undefined;

/** Loads the library, once, when the first hook needs it. */
export function loadCel(): Promise<CompileCel> {
  return (loading ??= loadLibrary().then((environment) => (text) => compile(text, environment)));
}

function compile(text: string, environment: Environment): Condition {
  const refused = (problem: Problem, others?: readonly Problem[]) => new FilterError(text, problem, others);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES)
    throw refused({ message: `expression has ${bytes} bytes`, offset: 0, expected: 'at most 16 KiB' });

  const { evaluate, check, root } = attempt(text, () => {
    const parsed = environment.parse(text);
    const ast: unknown = parsed.ast;
    if (!isNode(ast)) throw new Error('the library gave another tree than it should');
    return { evaluate: (): unknown => parsed(), check: () => parsed.check(), root: ast };
  });
  const subject: Subject = { event: null, meter: new Meter() };
  const resolved = resolve(root, subject);
  const [first, ...others] = resolved.problems;
  if (first) throw refused(first, others);

  const { valid, type, error } = attempt(text, check);
  if (!valid) throw refused(problemOf(error, text));
  if (type !== 'bool')
    throw refused({ ...placeOf(root), message: `the result is of type ${type}`, expected: 'a truth value' });
  const costly = costProblem(root);
  if (costly) throw refused(costly);
  meterNodes(root, subject.meter);

  return conditionOf(text, { evaluate, subject, ...resolved });
}

interface Parts extends Resolved {
  readonly evaluate: () => unknown;
  readonly subject: Subject;
}

function conditionOf(text: string, { evaluate, subject, fields, nodes }: Parts): Condition {
  const answer = answerer(evaluate, subject);
  return {
    text,
    warnings: nodes.flatMap(([{ start }, { setBy, name }]) =>
      setBy === 'none' ? [{ ...positionAt(text, start), message: `no source sets ${name}: it is always absent` }] : [],
    ),
    matches: (event) => answer(event) === true,
    explain: (event) => {
      const value = answer(event);
      return {
        text,
        value: value === true,
        ...(fields.length === 0 ? {} : { actual: fields.map((field) => actualText(field, event)).join(', ') }),
        ...(typeof value === 'string' ? { failed: value } : {}),
        children: [],
      };
    },
  };
}

/** The answer, or why there is none: an absent field, an error of the evaluation, a limit. */
function answerer(evaluate: () => unknown, subject: Subject): (event: EventFields) => boolean | string {
  return (event) => {
    subject.event = event;
    subject.meter.reset();
    try {
      const value = evaluate();
      return subject.meter.exceeded?.message ?? value === true;
    } catch (error) {
      return summaryOf(subject.meter.exceeded ?? error);
    } finally {
      subject.event = null;
    }
  };
}

/** What the library throws becomes a FilterError. */
function attempt<T>(text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) {
      throw new FilterError(text, {
        message: 'nested too deeply',
        offset: 0,
        expected: 'fewer operators in each other',
      });
    }
    throw new FilterError(text, problemOf(error, text));
  }
}

/** Where the library says that something is wrong. */
function problemOf(error: unknown, text: string): Problem {
  const range: unknown = isObject(error) ? error.range : undefined;
  const { start, end } = isObject(range) ? range : {};
  const offset = Math.min(typeof start === 'number' ? start : 0, text.length);
  const length = typeof end === 'number' ? Math.max(1, end - offset) : 1;
  return { message: summaryOf(error), offset, length, expected: EXPECTED };
}

function summaryOf(error: unknown): string {
  const summary = isObject(error) && typeof error.summary === 'string' ? error.summary : String(error);
  return summary.replace(/^Error: /, '').replace(/^[A-Z](?![A-Z])/, (first) => first.toLowerCase());
}

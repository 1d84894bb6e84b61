/** What is used of the CEL library: its parser, its type checker, its evaluator. Loaded when a hook has `cel`. */
import type { Environment } from '@marcbachmann/cel-js/evaluator';

/** A type as the checker has it. */
export interface CelType {
  readonly kind: string;
  readonly name: string;
  readonly valueType?: CelType | undefined;
}

interface Checker {
  check(node: CelNode, context: unknown): CelType;
  getType(name: string): CelType;
  createError(code: string, message: string, node: CelNode): Error;
}

interface Evaluator {
  run(node: CelNode, context: unknown): unknown;
}

/** How a node is checked and evaluated instead of the library's own way. */
export interface Replacement {
  typeCheck(checker: Checker, self: unknown, context: unknown): CelType;
  evaluate(evaluator: Evaluator, self: unknown, context: unknown): unknown;
}

type Evaluate = (evaluator: Evaluator, node: CelNode, context: unknown) => unknown;

/**
 * A node of the library's tree. `setMeta` is what its own macros are made with; the version is fixed, and the tests of
 * `cel` fail where another one has other nodes.
 */
export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  readonly start: number;
  readonly end: number;
  readonly checkedType?: CelType | undefined;
  readonly meta: {
    /** What a macro over a list became. */
    readonly alternate?: CelNode;
    readonly macro?: Replacement;
    readonly evaluate: Evaluate;
  };
  setMeta(key: string, value: unknown): CelNode;
}

/** `list.exists(name, …)` and its kin, expanded. */
export interface Comprehension {
  readonly iterable: CelNode;
  readonly iterVarName: string;
  readonly init: CelNode;
  readonly step: CelNode;
}

export function isNode(value: unknown): value is CelNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'setMeta' in value && 'meta' in value;
}

export function comprehensionOf(node: CelNode): Comprehension | null {
  return node.op === 'comprehension' && isComprehension(node.args) ? node.args : null;
}

function isComprehension(args: unknown): args is Comprehension {
  return typeof args === 'object' && args !== null && 'iterable' in args && 'step' in args && 'iterVarName' in args;
}

/** The nodes that are evaluated for this one, in the order of the text. */
export function partsOf(node: CelNode): readonly CelNode[] {
  if (node.meta.alternate) return [node.meta.alternate];
  const comprehension = comprehensionOf(node);
  if (comprehension) return [comprehension.iterable, comprehension.init, comprehension.step];
  return nodesIn(node.args);
}

function nodesIn(value: unknown): readonly CelNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return isNode(value) ? [value] : [];
}

export interface Call {
  readonly name: string;
  readonly receiver: CelNode | null;
  readonly given: readonly CelNode[];
}

/** Name, receiver and arguments of a call as it is written; null for what is none. */
export function callOf({ op, args }: CelNode): Call | null {
  if ((op !== 'call' && op !== 'rcall') || !Array.isArray(args)) return null;
  const [name, ...rest]: unknown[] = args;
  if (typeof name !== 'string') return null;
  const given = rest.at(-1);
  const [receiver] = op === 'rcall' ? rest : [];
  return {
    name,
    receiver: isNode(receiver) ? receiver : null,
    given: Array.isArray(given) ? given.filter(isNode) : [],
  };
}

/** What goes beyond; made once, so that it costs no stack trace each time. */
export const INT_OVERFLOW = new Error('integer overflow');

/** An int has 64 bits. */
export function inInt(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** The bounds of a text before it is checked; what it costs is bounded in `cost.ts`. */
const LIMITS = { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 500, maxMapEntries: 0, maxCallArguments: 4 };

export async function loadLibrary(): Promise<Environment> {
  const library = await import('@marcbachmann/cel-js/evaluator');
  return new library.Environment({ limits: LIMITS });
}

/** Gives the names of an expression their meaning: fields of the event, allowed functions, patterns in linear time. */
import type { Scalar, EventFields } from '../event.ts';
import { printable, type Problem } from '../filter/errors.ts';
import { type Field, FIELDS, type FieldType, nearestName } from '../filter/fields.ts';
import { compilePattern, PatternError, type TextTest } from '../filter/pattern.ts';
import { nearest } from '../nearest.ts';
import { type Meter, PATTERN_WEIGHT, placeOf } from './cost.ts';
import { OWN_FUNCTIONS, OWN_METHODS, replaceCall } from './functions.ts';
import { type Call, callOf, type CelNode, comprehensionOf, inInt, partsOf } from './library.ts';

/** What can be called; everything else of the library is refused: it has no bound, or no use on an event. */
const FUNCTIONS = ['bool', 'double', 'has', 'int', 'size', 'string'];
const METHODS = [
  'all',
  'contains',
  'endsWith',
  'exists',
  'exists_one',
  'filter',
  'lowerAscii',
  'map',
  'matches',
  'size',
  'startsWith',
  'trim',
  'upperAscii',
];

const CEL_TYPES: Readonly<Record<FieldType, string>> = { string: 'string', number: 'int', boolean: 'bool' };
/** Told of one expression. */
const MAX_PROBLEMS = 20;
const OWN_NAME = 'event';
const USES = 'event.FIELD (all fields: trotline fields)';

/** What the expression is evaluated on. */
export interface Subject {
  event: EventFields | null;
  readonly meter: Meter;
}

export interface Resolved {
  /** In the order of the text, each once. */
  readonly fields: readonly Field[];
  readonly problems: readonly Problem[];
  readonly nodes: readonly (readonly [CelNode, Field])[];
}

export function resolve(root: CelNode, subject: Subject): Resolved {
  const resolver = new Resolver(subject);
  resolver.visit(root, new Set());
  const { nodes, problems } = resolver;
  return { nodes, problems, fields: [...new Set(nodes.map(([, field]) => field))] };
}

class Resolver {
  readonly #subject: Subject;
  readonly nodes: [CelNode, Field][] = [];
  readonly problems: Problem[] = [];

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  visit(node: CelNode, variables: ReadonlySet<string>): void {
    const path = pathOf(node);
    if (path !== null && !variables.has(path.root)) return this.#name(node, path);
    if (node.op === 'value') return this.#literal(node);
    if (isLeast(node)) return;
    if (node.op === 'map') return this.#note(node, 'a map stands here', 'a list, or a field');
    const comprehension = comprehensionOf(node);
    if (comprehension) {
      const { iterable, step, iterVarName } = comprehension;
      if (iterVarName === OWN_NAME) this.#note(node, `${OWN_NAME} is the event`, 'another name for the items');
      this.visit(iterable, variables);
      return this.visit(step, new Set([...variables, iterVarName]));
    }
    if (this.#call(node, variables)) return;
    partsOf(node).forEach((part) => this.visit(part, variables));
  }

  #name(node: CelNode, { root, keys }: Path): void {
    if (root !== OWN_NAME) {
      return this.#note(node, `unknown name ${root}${meant(nearest(root, [OWN_NAME]))}`, USES);
    }
    const field = this.#field(node, keys.join('.'));
    if (field === null) return;
    const subject = this.#subject;
    const absent = new Error(`${field.name} is absent`);
    const broken = new Error(`${field.name} is no ${CEL_TYPES[field.type]}`);
    this.nodes.push([node, field]);
    replace(node, CEL_TYPES[field.type], () => {
      const value = subject.event === null ? undefined : field.read(subject.event);
      if (value === undefined) throw absent;
      const converted = convert(value, field.type);
      if (converted === null) throw broken;
      if (typeof converted === 'string') subject.meter.charge(converted.length);
      return converted;
    });
  }

  #field(node: CelNode, name: string): Field | null {
    const field = FIELDS.get(name);
    if (field !== undefined) return field;
    const message = name === '' ? `${OWN_NAME} stands alone` : `unknown field ${cut(name)}${meant(nearestName(name))}`;
    const known = name === '' ? USES : `one of the known fields: ${[...FIELDS.keys()].join(', ')}`;
    this.#note(node, message, known);
    return null;
  }

  /** Whether the node is a call that needs nothing else. */
  #call(node: CelNode, variables: ReadonlySet<string>): boolean {
    const call = callOf(node);
    if (call === null) return false;
    const { name, receiver, given } = call;
    const allowed = receiver === null ? FUNCTIONS : METHODS;
    if (!allowed.includes(name)) {
      this.#note(node, `unknown function ${cut(name)}${meant(nearest(name, allowed))}`, `one of ${allowed.join(', ')}`);
      return true;
    }
    if (receiver === null && name === 'has') this.#has(node, given);
    else if (receiver !== null && name === 'matches') this.#matches(node, receiver, given, variables);
    else return this.#own(node, call, variables);
    return true;
  }

  #own(node: CelNode, { name, receiver, given }: Call, variables: ReadonlySet<string>): boolean {
    const own = receiver === null ? OWN_FUNCTIONS.get(name) : OWN_METHODS.get(name);
    const [part, another] = receiver === null ? given : [receiver, ...given];
    if (!own || !part || another) return false;
    this.visit(part, variables);
    const { meter } = this.#subject;
    replaceCall(
      node,
      part,
      own,
      (type) => (receiver === null ? `${name}(${type})` : `${type}.${name}()`),
      (value) => typeof value === 'string' && meter.charge(value.length),
    );
    return true;
  }

  #has(node: CelNode, [given]: readonly CelNode[]): void {
    const path = given && pathOf(given);
    if (!path || path.root !== OWN_NAME) return this.#note(given ?? node, 'has() of what is no field', USES);
    const field = this.#field(given, path.keys.join('.'));
    if (field === null) return;
    const subject = this.#subject;
    this.nodes.push([node, field]);
    replace(node, 'bool', () => subject.event !== null && field.read(subject.event) !== undefined);
  }

  #matches(node: CelNode, receiver: CelNode, given: readonly CelNode[], variables: ReadonlySet<string>): void {
    this.visit(receiver, variables);
    const test = this.#pattern(given[0] ?? node);
    if (test === null) return;
    const { meter } = this.#subject;
    node.setMeta('async', false).setMeta('macro', {
      typeCheck: (checker, _, context) => {
        const { name } = checker.check(receiver, context);
        if (name === 'string') return checker.getType('bool');
        throw checker.createError('no_such_overload', `no such overload: ${name}.matches(string)`, node);
      },
      evaluate: (evaluator, _, context) => {
        const text = evaluator.run(receiver, context);
        if (typeof text !== 'string') return false;
        meter.charge(PATTERN_WEIGHT * text.length);
        return test(text);
      },
    } satisfies CelNode['meta']['macro']);
  }

  #pattern(node: CelNode): TextTest | null {
    if (node.op !== 'value' || typeof node.args !== 'string') {
      this.#note(node, 'a pattern that is no literal', 'a regular expression as a string');
      return null;
    }
    try {
      return compilePattern(node.args);
    } catch (cause) {
      if (!(cause instanceof PatternError)) throw cause;
      this.#note(node, `bad pattern: ${cause.message}`, 'a regular expression in RE2 syntax');
      return null;
    }
  }

  #literal(node: CelNode): void {
    if (typeof node.args === 'bigint' && !inInt(node.args))
      return this.#note(node, `${cut(String(node.args))} is no int`, 'at most 64 bits');
    if (['string', 'bigint', 'number', 'boolean'].includes(typeof node.args)) return;
    this.#note(node, 'a literal that no field compares with', 'a string, an int, a double or a truth value');
  }

  #note(node: CelNode, message: string, expected: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ message, ...placeOf(node), expected });
  }
}

interface Path {
  readonly root: string;
  readonly keys: readonly string[];
}

/** `event.netlink.link` as a root and keys; null for what is no chain of names. */
function pathOf(node: CelNode): Path | null {
  const keys: string[] = [];
  let here = node;
  while (here.op === '.' && Array.isArray(here.args)) {
    const [left, key]: unknown[] = here.args;
    if (typeof key !== 'string') return null;
    keys.unshift(key);
    const [inner] = partsOf(here);
    if (inner === undefined || inner !== left) return null;
    here = inner;
  }
  return here.op === 'id' && typeof here.args === 'string' ? { root: here.args, keys } : null;
}

/** The least int is written as the minus of a number that is none. */
function isLeast(node: CelNode): boolean {
  const [part] = node.op === '-_' ? partsOf(node) : [];
  return part?.op === 'value' && typeof part.args === 'bigint' && inInt(-part.args);
}

function replace(node: CelNode, type: string, evaluate: () => Scalar): void {
  node.setMeta('async', false).setMeta('macro', {
    typeCheck: (checker) => checker.getType(type),
    evaluate,
  } satisfies CelNode['meta']['macro']);
}

/** As CEL has it: whole numbers are int, which is 64 bits wide. Null where the value is not of its type. */
function convert(value: Scalar, type: FieldType): string | bigint | boolean | null {
  if (type === 'number') {
    if (typeof value === 'bigint') return inInt(value) ? value : null;
    return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : null;
  }
  return typeof value === type && typeof value !== 'number' ? value : null;
}

function meant(near: string | undefined): string {
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

function cut(name: string): string {
  return printable(name.length > 64 ? `${name.slice(0, 64)}…` : name);
}

import type { Scalar, EventFields } from '../event.ts';
import type { Comparison, FieldNode, Junction, Literal, Match, Membership, Node } from './syntax.ts';
import { canonical, compare, equal, isNumeric, type Numeric, type Relation } from './values.ts';

/** Whether an event satisfies a (part of a) condition. Never throws. */
export type Predicate = (event: EventFields) => boolean;
type Read = (event: EventFields) => Scalar | undefined;

/** The closure of a node as a truth value, specialised once for the kinds of its operands (nlmon A10.5). */
export function predicate(node: Node): Predicate {
  switch (node.kind) {
    case 'and':
      return conjunction(node);
    case 'or':
      return disjunction(node);
    case 'not': {
      const of = predicate(node.of);
      return (event) => !of(event);
    }
    case 'comparison':
      return comparison(node);
    case 'match':
      return match(node);
    case 'membership':
      return membership(node);
    default: {
      const read = simpleReader(node);
      return (event) => read(event) === true;
    }
  }
}

function conjunction({ of }: Junction): Predicate {
  const parts = of.map(predicate);
  const [first, second, third] = parts;
  if (first !== undefined && second !== undefined) {
    if (parts.length === 2) return (event) => first(event) && second(event);
    if (parts.length === 3 && third !== undefined) return (event) => first(event) && second(event) && third(event);
  }
  return (event) => parts.every((part) => part(event));
}

function disjunction({ of }: Junction): Predicate {
  const parts = of.map(predicate);
  const [first, second, third] = parts;
  if (first !== undefined && second !== undefined) {
    if (parts.length === 2) return (event) => first(event) || second(event);
    if (parts.length === 3 && third !== undefined) return (event) => first(event) || second(event) || third(event);
  }
  return (event) => parts.some((part) => part(event));
}

function match({ left, negated, test }: Match): Predicate {
  const read = reader(left);
  return (event) => {
    const value = read(event);
    return typeof value === 'string' && test(value) !== negated;
  };
}

function membership({ left, items }: Membership): Predicate {
  const read = reader(left);
  const literals = new Set(
    items.filter((item): item is Literal => item.kind === 'literal').map((item) => canonical(item.value)),
  );
  const fields = items.filter((item): item is FieldNode => item.kind === 'field').map((item) => item.field.read);
  return (event) => {
    const value = read(event);
    if (value === undefined) return false;
    return literals.has(canonical(value)) || fields.some((field) => compare('==', value, field(event)));
  };
}

/** What a relation becomes when its operands change places. */
const MIRRORED: Readonly<Record<Relation, Relation>> = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

function comparison({ relation, left, right }: Comparison): Predicate {
  if (left.kind === 'literal' && right.kind !== 'literal') return withLiteral(MIRRORED[relation], right, left.value);
  if (right.kind === 'literal') return withLiteral(relation, left, right.value);
  const first = reader(left);
  const second = reader(right);
  return (event) => compare(relation, first(event), second(event));
}

function withLiteral(relation: Relation, node: Node, value: Literal['value']): Predicate {
  const read = reader(node);
  return typeof value === 'string' ? WITH_TEXT[relation](read, value) : WITH_NUMBER[relation](read, value);
}

const WITH_TEXT: Readonly<Record<Relation, (read: Read, text: string) => Predicate>> = {
  '==': (read, text) => (event) => read(event) === text,
  '!=': (read, text) => (event) => {
    const value = read(event);
    return typeof value === 'string' && value !== text;
  },
  '<': (read, text) => (event) => compare('<', read(event), text),
  '<=': (read, text) => (event) => compare('<=', read(event), text),
  '>': (read, text) => (event) => compare('>', read(event), text),
  '>=': (read, text) => (event) => compare('>=', read(event), text),
};

const WITH_NUMBER: Readonly<Record<Relation, (read: Read, number: Numeric) => Predicate>> = {
  '==': (read, number) => (event) => {
    const value = read(event);
    return value === number || (isNumeric(value) && equal(value, number));
  },
  '!=': (read, number) => (event) => {
    const value = read(event);
    return isNumeric(value) && !equal(value, number);
  },
  '<': (read, number) => (event) => {
    const value = read(event);
    return isNumeric(value) && value < number;
  },
  '<=': (read, number) => (event) => {
    const value = read(event);
    return isNumeric(value) && value <= number;
  },
  '>': (read, number) => (event) => {
    const value = read(event);
    return isNumeric(value) && value > number;
  },
  '>=': (read, number) => (event) => {
    const value = read(event);
    return isNumeric(value) && value >= number;
  },
};

/** A node as a value; a sub-condition's value is its outcome. */
function reader(node: Node): Read {
  return node.kind === 'field' || node.kind === 'literal' ? simpleReader(node) : predicate(node);
}

function simpleReader(node: FieldNode | Literal): Read {
  return node.kind === 'field' ? node.field.read : () => node.value;
}

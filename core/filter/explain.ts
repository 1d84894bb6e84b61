import type { Scalar, EventFields } from '../event.ts';
import { predicate } from './compile.ts';
import { printable } from './errors.ts';
import type { Field } from './fields.ts';
import type { FieldNode, Node } from './syntax.ts';

/** Why a condition holds or not: one node for each AND, OR, NOT and comparison, in the order of the text. */
export interface Explanation {
  /** The part of the condition's text. */
  readonly text: string;
  readonly value: boolean;
  /** What the event has for the fields that stand right here: `interface is 'veth0', netlink.link.mtu is absent`. */
  readonly actual?: string;
  /** Why evaluating ended without an answer, which counts as false. */
  readonly failed?: string;
  readonly children: readonly Explanation[];
}

/** Evaluates every part, also those that `matches` would skip. */
export function explain(text: string, node: Node, event: EventFields): Explanation {
  const children = parts(node).map((part) => explain(text, part, event));
  const fields = fieldsOf(node);
  return {
    text: text.slice(node.start, node.end),
    value: valueOf(node, children, event),
    ...(fields.length === 0 ? {} : { actual: fields.map(({ field }) => actualText(field, event)).join(', ') }),
    children,
  };
}

function parts(node: Node): readonly Node[] {
  if (node.kind === 'and' || node.kind === 'or') return node.of;
  if (node.kind === 'not') return [node.of];
  return operands(node).filter((operand) => operand.kind !== 'field' && operand.kind !== 'literal');
}

function operands(node: Node): readonly Node[] {
  if (node.kind === 'comparison') return [node.left, node.right];
  if (node.kind === 'match') return [node.left];
  if (node.kind === 'membership') return [node.left, ...node.items];
  return [];
}

function fieldsOf(node: Node): FieldNode[] {
  const here = node.kind === 'field' ? [node] : operands(node);
  return here.filter((operand): operand is FieldNode => operand.kind === 'field');
}

function valueOf(node: Node, children: readonly Explanation[], event: EventFields): boolean {
  if (node.kind === 'and') return children.every(({ value }) => value);
  if (node.kind === 'or') return children.some(({ value }) => value);
  if (node.kind === 'not') return children.every(({ value }) => !value);
  return predicate(node)(event);
}

/** What the event has for a field, safe to print. */
export function actualText(field: Field, event: EventFields): string {
  return `${field.name} is ${shown(field.read(event))}`;
}

function shown(value: Scalar | undefined): string {
  if (value === undefined) return 'absent';
  if (typeof value !== 'string') return String(value);
  return `'${printable(value.replaceAll(/[\\']/g, String.raw`\$&`))}'`;
}

import { type Position, positionAt } from './errors.ts';
import type { Comparison, FieldNode, Literal, Match, Membership, Node } from './syntax.ts';

/** Something that is allowed and almost surely not meant (`hooks validate` shows it). */
export interface Warning extends Position {
  readonly message: string;
}

type Report = (node: Node, message: string) => void;

/** Every warning of a condition, in the order of its text (nlmon A10.5, A10.12). */
export function warningsOf(text: string, root: Node): readonly Warning[] {
  const warnings: Warning[] = [];
  truth(root, (node, message) => warnings.push({ ...positionAt(text, node.start), message }));
  return warnings;
}

/** Visits a node that stands where a truth value is needed. */
function truth(node: Node, report: Report): void {
  if (node.kind === 'literal') return report(node, 'a bare literal counts as false');
  if (node.kind === 'field' && node.field.type !== 'boolean') {
    report(node, `the bare field ${node.field.name} counts as false: compare it with something`);
  }
  operand(node, report);
}

/** Visits a node that stands on one side of a comparison. */
function operand(node: Node, report: Report): void {
  switch (node.kind) {
    case 'literal':
      return;
    case 'field':
      return unset(node, report);
    case 'not':
      return truth(node.of, report);
    case 'and':
    case 'or':
      return node.of.forEach((part) => truth(part, report));
    case 'comparison':
      return comparison(node, report);
    case 'match':
      return match(node, report);
    case 'membership':
      return membership(node, report);
  }
}

function unset(node: FieldNode, report: Report): void {
  const { setBy, name } = node.field;
  if (setBy === 'none') report(node, `no source sets ${name}: it is always absent`);
}

function comparison(node: Comparison, report: Report): void {
  const { left, right, relation } = node;
  const [first, second] = [typeOf(left), typeOf(right)];
  const ordered = relation !== '==' && relation !== '!=';
  if (first !== second) report(node, `always false: compares a ${first} with a ${second}`);
  else if (first === 'boolean' && ordered) report(node, 'always false: truth values compare with == and != only');
  operand(left, report);
  operand(right, report);
}

function match(node: Match, report: Report): void {
  const type = typeOf(node.left);
  if (type !== 'string') report(node, `always false: matches a ${type} with a regular expression`);
  operand(node.left, report);
}

function membership(node: Membership, report: Report): void {
  const { left, items } = node;
  const type = typeOf(left);
  operand(left, report);
  for (const item of items) {
    if (typeOf(item) !== type) report(item, `never found: compares a ${type} with a ${typeOf(item)}`);
    operand(item, report);
  }
}

function typeOf(node: Node): 'string' | 'number' | 'boolean' {
  if (node.kind === 'field') return node.field.type;
  return node.kind === 'literal' ? literalType(node) : 'boolean';
}

function literalType({ value }: Literal): 'string' | 'number' {
  return typeof value === 'string' ? 'string' : 'number';
}

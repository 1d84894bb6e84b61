/** What an assignment leaves in a scope, and which functions never end. */
import { type Assignment, type CompoundList, forEachChild, type SyntaxNode } from 'unbash';

import type { FunctionBody, Scope } from './scope.ts';
import { type Expanding, fieldsOf, textOfWord } from './words.ts';

export function assign({ name, value, append, index }: Assignment, scope: Scope, on: Expanding): void {
  const values =
    value.type === 'ArrayValue' ? value.elements.flatMap((word) => fieldsOf(word, on)) : [textOfWord(value, on)];
  if (index !== undefined) {
    const list = [...(scope.variables.get(name) ?? [])];
    list[/^\d+$/.test(index.value) ? Number(index.value) : list.length] = values.join(' ');
    scope.set(
      name,
      Array.from(list.slice(0, 1024), (item) => item ?? ''),
    );
  } else if (append === true) {
    const before = scope.get(name);
    scope.set(name, value.type === 'ArrayValue' ? [...before, ...values] : [before.join(' ') + values.join(' ')]);
  } else scope.set(name, values);
}

export function assignedText({ value }: Assignment, on: Expanding): string {
  return value.type === 'ArrayValue'
    ? value.elements.flatMap((word) => fieldsOf(word, on)).join(' ')
    : textOfWord(value, on);
}

/** A function that starts itself in a pipe or in the background. */
export function multiplies(name: string, body: FunctionBody): boolean {
  const walk = (node: SyntaxNode, forked: boolean): boolean => {
    if (node.type === 'Command' && forked && node.name?.value === name) return true;
    const here = forked || node.type === 'Pipeline' || (node.type === 'Statement' && node.background === true);
    let found = false;
    forEachChild(node, (child) => void (found ||= walk(child, here)));
    return found;
  };
  return walk(body, false);
}

/** A loop's condition that never fails: `true`, `:`, `[ 1 ]`. */
export function isEndless(clause: CompoundList): boolean {
  return clause.commands.every(({ command }) => {
    if (command.type !== 'Command') return false;
    const words = [command.name, ...command.args].map((word) => word?.text ?? '');
    return /^(true|:|\[ 1 \]|\[\[ 1 \]\]|test 1)$/.test(words.join(' '));
  });
}

/** Something in it goes on beside it. */
export function multipliesIn(body: CompoundList): boolean {
  return body.commands.some(({ background }) => background === true);
}

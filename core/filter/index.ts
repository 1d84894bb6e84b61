/** The condition language of hooks: `interface =~ 'veth.*' AND message_type == 16` (nlmon A10). */
import type { EventFields } from '../event.ts';
import { predicate } from './compile.ts';
import { type Explanation, explain } from './explain.ts';
import { parse } from './syntax.ts';
import { type Warning, warningsOf } from './warnings.ts';

export { caret, FilterError, type Position } from './errors.ts';
export { type Field, type FieldType, FIELDS, nearestName } from './fields.ts';
export type { Explanation, Warning };

/** A condition, ready to be asked. It holds no state and may be asked concurrently. */
export interface Condition {
  readonly text: string;
  readonly warnings: readonly Warning[];
  /** Whether the event satisfies the condition. Never throws; linear in the length of the event's texts. */
  readonly matches: (event: EventFields) => boolean;
  /** The same answer with its reasons, for people; evaluates every part and is slow. */
  readonly explain: (event: EventFields) => Explanation;
}

/** Compiles a condition once, for many events. Empty text matches every event (N12). Throws FilterError (N4, N5, N8). */
export function compileCondition(text: string): Condition {
  const steps = compileSteps(text);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * The same for the main loop of a node: `turn` is awaited every now and then, so that no condition, however long, holds the
 * loop up.
 */
export async function compileConditionInTurns(text: string, turn: () => Promise<void> | undefined): Promise<Condition> {
  const steps = compileSteps(text);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await turn();
  }
}

function* compileSteps(text: string): Generator<undefined, Condition, undefined> {
  if (text === '') return EVERYTHING;
  const root = yield* parse(text);
  let warnings: readonly Warning[] | undefined;
  return {
    text,
    get warnings() {
      return (warnings ??= warningsOf(text, root));
    },
    matches: predicate(root),
    explain: (event) => explain(text, root, event),
  };
}

const EVERYTHING: Condition = {
  text: '',
  warnings: [],
  matches: () => true,
  explain: () => ({ text: '', value: true, children: [] }),
};

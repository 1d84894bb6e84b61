/** Outcomes as lists and live streams have them: texts that come from outside are long, and many travel at once. */
import type { AttemptRecord } from '#core';

import type { HookOutcome } from './types.ts';

/** Characters of a text that are kept; a line of output is quoted from them. */
const BEGINNING = 200;

export function briefOutcome(outcome: HookOutcome): HookOutcome {
  return { ...outcome, reason: beginning(outcome.reason), attempts: outcome.attempts.map(briefAttempt) };
}

export function briefAttempt(attempt: AttemptRecord): AttemptRecord {
  const { reason, detail, output } = attempt;
  return { ...attempt, reason: beginning(reason), detail: beginning(detail), output: beginning(output) };
}

/** A copy: a slice would keep the whole text in memory. */
function beginning(text: string): string {
  return text.length <= BEGINNING ? text : `${Buffer.from(text.slice(0, BEGINNING)).toString()}…`;
}

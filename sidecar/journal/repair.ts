import type { TrotlineEvent } from '#core';

import type { JournalState } from './state.ts';

/** One outcome that stands for what a damaged journal lost. */
export interface Gap {
  readonly hook: string;
  readonly sequence: number;
}

/** Holes of the sequence that no hook is short of are told in the name of this one. */
const NO_HOOK = 'trotline/unknown';

/**
 * What is missing for `routed = Σ outcomes + pending` and for a sequence without holes; empty for a whole journal.
 * An entry that is pending although its outcome was counted is worked on again and so counts as routed again.
 */
export function findGaps(state: JournalState): Gap[] {
  const lost: string[] = [];
  for (const [hook, totals] of state.hooks) {
    const settled = Object.values(totals.outcomes).reduce((sum, count) => sum + count, 0);
    const missing = totals.routed - settled - totals.pending;
    for (let count = 0; count < missing; count++) lost.push(hook);
    if (missing < 0) totals.routed -= missing;
  }
  const gaps: Gap[] = [];
  for (let sequence = state.ackedSequence + 1; sequence <= state.lastSequence; sequence++) {
    if (state.unreported.has(sequence)) continue;
    const hook = lost.shift() ?? NO_HOOK;
    if (hook === NO_HOOK) state.totals(hook).routed++;
    gaps.push({ hook, sequence });
  }
  return [...gaps, ...lost.map((hook, index) => ({ hook, sequence: state.lastSequence + 1 + index }))];
}

/** An outcome needs an event: this one says what happened. */
export function damageEvent(node: string, life: string, sequence: number, time: number): TrotlineEvent {
  return {
    id: `journal-${life}-${sequence}`,
    source: 'journal',
    node,
    life,
    type: 'journal.damaged',
    subject: 'journal',
    time,
    sequence,
    synthetic: true,
    interface: '',
    namespace: '',
    messageType: 0,
    eventType: 0,
    attributes: {},
  };
}

import { type AttemptRecord, type Hook, type OutcomeName, type TrotlineEvent } from '#core';

import type { Entry } from '../journal/entry.ts';
import type { Places } from '../places.ts';
import { underBoth, within } from '../waiting.ts';
import { type AttemptDeps, makeAttempt } from './attempt.ts';
import type { ActionInstance, HookRuntime } from './runtime.ts';

/** Attempts in a round, and the pauses between them (design section 6.7). */
const ATTEMPTS = 3;
const PAUSES_MS = [1000, 2000];
/** A receiver that asks for a longer pause than this ends the round. */
const LONGEST_PAUSE_MS = 10_000;

/** Characters. */
const LONGEST_OUTPUT = 4096;

/** How an action of an entry stands: final, or pending with the pause that its receiver asked for. */
export type ActionEnd =
  | 'delivered'
  | 'rejected'
  | 'interrupted'
  | { readonly afterMs: number; readonly reason: string };

/** What is final for one action by its attempts so far; null: nothing is. Another version of the hook may have had another action there. */
export function finalOf(
  attempts: readonly AttemptRecord[],
  { index, type }: ActionInstance,
  { spec }: Hook,
): Extract<ActionEnd, string> | null {
  const last = attempts.findLast(({ action, actionType }) => action === index && actionType === type);
  if (last?.status === 'delivered' || last?.status === 'rejected') return last.status;
  return last?.status === 'interrupted' && spec.onInterrupt === 'giveUp' ? 'interrupted' : null;
}

export interface RoundOptions {
  readonly deps: AttemptDeps & { readonly places: Places };
  readonly runtime: HookRuntime;
  readonly entry: Entry;
  readonly event: TrotlineEvent;
  /** Ends attempts. */
  readonly signal: AbortSignal;
  /** Ends the pauses between them: the round is then over. */
  readonly waitSignal: AbortSignal;
  /** Milliseconds until giveUpAfter has passed; not positive: it has. */
  readonly leftMs: () => number;
  /** Collects the attempts of the round; those before it are `entry.attempts`. */
  readonly attempts: AttemptRecord[];
  /** False: a final attempt is left to be recorded with the outcome. */
  readonly recordFinal: boolean;
  readonly onRetry: (nextAttemptMs: number) => void;
}

/** One round: all actions that are not final start together, each with up to three attempts. */
export function runRound(options: RoundOptions): Promise<ActionEnd[]> {
  return Promise.all(options.runtime.actions.map((instance) => runAction(options, instance)));
}

async function runAction(options: RoundOptions, instance: ActionInstance): Promise<ActionEnd> {
  const { deps, runtime, entry, event, signal, waitSignal, attempts } = options;
  const before = finalOf(attempts, instance, runtime.hook);
  if (before) return before;
  let number = attempts.findLast(({ action }) => action === instance.index)?.number ?? 0;
  for (let tried = 1; ; tried++) {
    const leave = await enter(options, instance);
    if (!leave) return { afterMs: 0, reason: 'waited for its turn' };
    const made = makeAttempt(deps, entry, event, instance, ++number, signal);
    const { record, afterMs } = await made.finally(leave);
    const final = finalOf([record], instance, runtime.hook);
    attempts.push(final ? record : shortened(record));
    if (!final || options.recordFinal) await deps.journal.result(entry, final ? record : shortened(record));
    if (final) return final;
    const { reason } = record;
    if (
      signal.aborted ||
      waitSignal.aborted ||
      tried === ATTEMPTS ||
      afterMs > LONGEST_PAUSE_MS ||
      options.leftMs() <= 0
    )
      return { afterMs, reason };
    const pauseMs = Math.max(afterMs, jittered(PAUSES_MS[tried - 1] ?? 0));
    options.onRetry(deps.clock.now() + pauseMs);
    await underBoth(signal, waitSignal, (either) => deps.clock.sleep(pauseMs, either)).catch(() => undefined);
    if (signal.aborted || waitSignal.aborted || options.leftMs() <= 0) return { afterMs: 0, reason };
  }
}

/** What gives the place back; null: the round ended, or its time, before there was one. Nothing was attempted then. */
async function enter(options: RoundOptions, { places }: ActionInstance): Promise<(() => void) | null> {
  const { deps, signal, waitSignal, leftMs } = options;
  if (!places) return nothing;
  const work = (own: AbortSignal) => deps.places.enter(places.of, places.count, own);
  const inTime = (either: AbortSignal) => within(deps.clock, Math.max(0, leftMs()), either, work);
  return underBoth(signal, waitSignal, inTime).catch(() => null);
}

const nothing = (): void => undefined;

/** Attempts that are followed by others pile up, so they keep the beginning of their output only: copied, for a slice keeps it all. */
function shortened(record: AttemptRecord): AttemptRecord {
  return record.output.length <= LONGEST_OUTPUT
    ? record
    : { ...record, output: Buffer.from(record.output.slice(0, LONGEST_OUTPUT)).toString() };
}

/** How many rounds these attempts are, for the pause that follows. */
export function roundsOf(attempts: readonly AttemptRecord[]): number {
  return Math.ceil(attempts.reduce((most, { number }) => Math.max(most, number), 0) / ATTEMPTS);
}

/** ±50 %. */
export function jittered(ms: number): number {
  return ms * (0.5 + Math.random());
}

const WORST: readonly OutcomeName[] = ['rejected', 'expired', 'interrupted', 'delivered'];

/** The worst of the actions' ends, once all are final or the time is up (design section 6.5). */
export function outcomeOf(ends: readonly ActionEnd[]): OutcomeName {
  const names = new Set<string>(ends.map((end) => (typeof end === 'string' ? end : 'expired')));
  return WORST.find((name) => names.has(name)) ?? 'delivered';
}

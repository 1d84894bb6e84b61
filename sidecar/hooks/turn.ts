/** One turn of an entry: its limit, its claim, a round of attempts, its outcome (design section 6). */
import {
  ATTRIBUTE,
  type AttemptRecord,
  type OutcomeName,
  REJECTED_WINDOW_MS,
  SPAN,
  startSpan,
  type TrotlineEvent,
} from '#core';

import { age } from '../boottime.ts';
import type { Claimed, Grant } from '../claims/claims.ts';
import type { Membership } from '../groups.ts';
import type { Entry } from '../journal/entry.ts';
import { underBoth, within } from '../waiting.ts';
import { interrupted } from './attempt.ts';
import { answered, join, standsAlone, type Standing, withAffected } from './grouping.ts';
import type { Limiter } from './limiter.ts';
import { type ActionEnd, finalOf, jittered, outcomeOf, roundsOf, runRound } from './round.ts';
import type { HookRuntime, RunnerDeps } from './runtime.ts';

/** Pauses between rounds: doubled from the first to the last (design section 6.7). */
const FIRST_PAUSE_MS = 30_000;
const LAST_PAUSE_MS = 300_000;
/** An entry whose time is up waits so long for its key, to open the window that it earned. */
const LAST_CLAIM_MS = 30_000;
const DEFAULT_WINDOW_MS = 600_000;

/** Why an entry left its turn without an outcome, and when it comes back. */
export interface Later {
  readonly waitsFor: string;
  readonly pauseMs: number;
}

export interface TurnOptions {
  readonly deps: RunnerDeps;
  readonly runtime: HookRuntime;
  readonly limiter: Limiter | null;
  readonly entry: Entry;
  /** Ends waits: for a key, a limit, the next attempt. */
  readonly quit: AbortSignal;
  /** Ends attempts. */
  readonly stop: AbortSignal;
}

/** Null when the entry has its outcome. Rejects with the reason of `quit`. */
export async function takeTurn(options: TurnOptions): Promise<Later | null> {
  const { deps, runtime, entry } = options;
  const { spec } = runtime.hook;
  for (const open of entry.open) await deps.journal.result(entry, interrupted(open));
  const leftMs = timeLeft(options);
  const finals = finalsOf(options);
  const done = finals.every((end) => end !== null);
  // What was done before the hook was switched off was done.
  if (!spec.enabled && !done) return finish(deps, entry, 'dropped', { reason: 'hook-disabled' });
  if (spec.mode === 'audit' && !done) return finish(deps, entry, 'audited');
  if (leftMs <= 0 && finals.every((end) => end === null)) return expire(options, '');
  if (leftMs <= 0 || done) return endWith(options, finals);
  return begin(options, leftMs);
}

/** Ends an entry. */
export async function finish(
  { journal, clock, onFinal }: RunnerDeps,
  entry: Entry,
  outcome: OutcomeName,
  parts: { reason?: string; uncoordinated?: boolean; attempts?: readonly AttemptRecord[] } = {},
): Promise<null> {
  const { eventId, hook } = entry;
  const { reason = '', uncoordinated = false, attempts = entry.attempts } = parts;
  await journal.finish(entry, { eventId, hook, outcome, reason, uncoordinated, timeMs: clock.now(), attempts });
  onFinal();
  return null;
}

/** Milliseconds until the entry is given up. */
export function timeLeft({
  deps: { bootClock },
  runtime,
  entry,
}: Pick<TurnOptions, 'deps' | 'runtime' | 'entry'>): number {
  return runtime.hook.spec.giveUpAfter - age(entry.at, entry.bootId, bootClock.moment(), bootClock.bootId);
}

async function begin(options: TurnOptions, leftMs: number): Promise<Later | null> {
  const { deps, entry, quit } = options;
  const event = await deps.journal.event(entry);
  if (standsAlone(options, event)) return tryClaim(options, event, null);
  const standing = await within(deps.clock, leftMs, quit, (signal) => join(options, event, signal));
  if (!standing) return expire(options, 'waited for the control plane');
  try {
    if (standing.refused !== null) return await finish(deps, entry, 'dropped', { reason: standing.refused });
    return await tryClaim(options, event, standing);
  } finally {
    standing.group?.leave();
  }
}

async function tryClaim(options: TurnOptions, event: TrotlineEvent, standing: Standing | null): Promise<Later | null> {
  const { deps, runtime, limiter, entry, quit } = options;
  const inTime = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | null> =>
    within(deps.clock, Math.max(0, timeLeft(options)), quit, work);
  const giveBack = limiter ? await inTime((signal) => limiter.take(signal)) : nothing;
  if (!giveBack) return expire(options, 'waited for its limit');
  let claimed: Claimed | null = null;
  try {
    claimed = isClaimed(runtime)
      ? await inTime((signal) => claim(options, event, signal))
      : await deps.claims.claim(runtime.hook, event, quit);
  } finally {
    if (claimed?.kind !== 'granted') giveBack();
  }
  if (!claimed) return expire(options, 'waited for its key');
  if (claimed.kind === 'granted') return act(options, event, claimed, standing);
  if (claimed.kind === 'done') return finish(deps, entry, standing?.group ? 'grouped' : 'deduplicated');
  return finish(deps, entry, 'dropped', { reason: claimed.reason, uncoordinated: true });
}

/** Nothing is left to do, by a crash or by time, but to open the window that the attempts deserve. */
async function endWith(options: TurnOptions, finals: readonly (ActionEnd | null)[]): Promise<null> {
  const { deps, entry, quit } = options;
  const ends = finals.map((end) => end ?? { afterMs: 0, reason: '' });
  const event = await deps.journal.event(entry);
  const waitMs = Math.max(LAST_CLAIM_MS, timeLeft(options));
  const claimed = isClaimed(options.runtime)
    ? await within(deps.clock, waitMs, quit, (signal) => claim(options, event, signal))
    : DONE;
  if (claimed?.kind === 'granted') return conclude(options, claimed, ends, entry.attempts);
  const uncoordinated = claimed?.kind !== 'done';
  const outcome = outcomeOf(ends);
  return finish(deps, entry, outcome, {
    reason: outcome === 'delivered' ? '' : reasonOf(entry.attempts),
    uncoordinated,
  });
}

function isClaimed({ hook }: HookRuntime): boolean {
  return (hook.spec.dedup?.scope ?? 'none') !== 'none';
}

async function claim(
  { deps, runtime: { hook }, entry }: TurnOptions,
  event: TrotlineEvent,
  signal: AbortSignal,
): Promise<Claimed> {
  const attributes = { [ATTRIBUTE.hook]: entry.hook, [ATTRIBUTE.eventId]: entry.eventId };
  const span = startSpan(SPAN.claim, attributes, event.traceparent);
  try {
    const claimed = await deps.claims.claim(hook, event, signal);
    span.setAttribute(ATTRIBUTE.claim, claimed.kind);
    if (claimed.kind === 'granted') span.setAttribute(ATTRIBUTE.fence, claimed.fence);
    return claimed;
  } finally {
    span.end();
  }
}

async function act(
  options: TurnOptions,
  claimedFor: TrotlineEvent,
  grant: Grant,
  standing: Standing | null,
): Promise<Later | null> {
  const { deps, runtime, entry, quit, stop } = options;
  const { event: told, group } = standing ?? { event: claimedFor, group: null };
  const event = group ? await gathered(options, told, grant, group) : told;
  if (!event) return { waitsFor: 'its key', pauseMs: 0 };
  const { journal, places, clock, log, onProgress } = deps;
  const attempts = [...entry.attempts];
  const leftMs = (): number => timeLeft(options);
  const round = (signal: AbortSignal): Promise<ActionEnd[]> =>
    runRound({
      deps: { journal, places, clock, log },
      runtime,
      entry,
      event,
      signal,
      waitSignal: quit,
      leftMs,
      attempts,
      // Without a claim and with one action nothing happens between its end and the outcome: one record tells both.
      recordFinal: grant.fence !== 0 || runtime.actions.length > 1,
      onRetry: (nextAttemptMs) => onProgress(entry, attempts, reasonOf(attempts), nextAttemptMs),
    });
  const ends = await (grant.fence === 0 ? round(stop) : underBoth(stop, grant.lost, round));
  const pending = ends.filter((end) => typeof end !== 'string');
  if (pending.length === 0 || leftMs() <= 0) return conclude(options, grant, ends, attempts, standing);
  await grant.release();
  quit.throwIfAborted();
  const asked = Math.max(...pending.map(({ afterMs }) => afterMs));
  const doubled = jittered(FIRST_PAUSE_MS * 2 ** (roundsOf(attempts) - 1));
  return { waitsFor: reasonOf(attempts), pauseMs: Math.max(asked, Math.min(doubled, LAST_PAUSE_MS)) };
}

/** The event with all that are affected; null: the key was lost while it waited for them. */
async function gathered(
  options: TurnOptions,
  event: TrotlineEvent,
  grant: Grant,
  group: Membership,
): Promise<TrotlineEvent | null> {
  let told: TrotlineEvent | null = null;
  try {
    told = await withAffected(options, event, grant, group);
  } finally {
    if (!told) await grant.release();
  }
  return told;
}

/** Opens the window that the ends deserve, then ends the entry with the worst of them. */
async function conclude(
  { deps, runtime, entry }: TurnOptions,
  grant: Grant,
  ends: readonly ActionEnd[],
  attempts: readonly AttemptRecord[],
  standing: Standing | null = null,
): Promise<null> {
  const window = windowOf(runtime, ends);
  if (standing && window !== null) await answered(standing, window);
  let told = true;
  if (window === null) await grant.release();
  else told = await grant.complete(window);
  const uncoordinated = grant.uncoordinated || !told;
  const outcome = outcomeOf(ends);
  const reason = outcome === 'delivered' ? '' : reasonOf(attempts);
  return finish(deps, entry, outcome, { reason, uncoordinated, attempts });
}

/** Null: none is earned. */
function windowOf({ hook: { spec } }: HookRuntime, ends: readonly ActionEnd[]): number | null {
  const windowMs = spec.dedup?.window ?? DEFAULT_WINDOW_MS;
  if (ends.includes('delivered')) return windowMs;
  return ends.includes('rejected') ? Math.min(windowMs, REJECTED_WINDOW_MS) : null;
}

function expire({ deps, runtime, entry }: TurnOptions, waitedFor: string): Promise<null> {
  const reason = waitedFor || reasonOf(entry.attempts) || `after ${runtime.hook.spec.giveUpAfter} ms`;
  return finish(deps, entry, 'expired', { reason });
}

function finalsOf({ runtime: { actions, hook }, entry }: TurnOptions): ReturnType<typeof finalOf>[] {
  return actions.map((instance) => finalOf(entry.attempts, instance, hook));
}

/** The newest attempt's reason that is not empty. */
function reasonOf(attempts: readonly AttemptRecord[]): string {
  return attempts.findLast(({ reason }) => reason !== '')?.reason ?? '';
}

const DONE = { kind: 'done' } as const;
const nothing = (): void => undefined;

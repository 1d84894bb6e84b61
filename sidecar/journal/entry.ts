import type { AttemptRecord, OutcomeRecord, TrotlineEvent } from '#core';

import type { Moment } from '../boottime.ts';
import type { RememberedRecord, StartedRecord } from './records.ts';
import type { Position } from './segment-log.ts';

/** One event for one hook, from routed to reported. The journal owns it; others read it. */
export interface Entry {
  readonly n: number;
  readonly hook: string;
  readonly eventId: string;
  readonly at: Moment;
  readonly bootId: string;
  /** Null when it was put away to save memory: `journal.event(entry)` reads it back. */
  event: TrotlineEvent | null;
  /** Record that holds the event. */
  position: Position;
  /** Attempts that were started and have no result. */
  open: readonly Omit<StartedRecord, 'k' | 'n'>[];
  /** With the beginnings of their texts; the outcome has the whole. */
  attempts: readonly AttemptRecord[];
  /** The newest of each action, while pending. */
  remembered: readonly Omit<RememberedRecord, 'k' | 'n'>[];
  /** Sequence of the final outcome; 0 while pending. */
  sequence: number;
  /** Bytes of the event and outcome in memory. */
  kept: number;
  /** Null while pending, or when put away: `journal.outcome(entry)` reads it back. */
  final: OutcomeRecord | null;
  /** Record that holds the outcome; null while pending. */
  finalPosition: Position | null;
}

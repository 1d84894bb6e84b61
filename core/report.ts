/** What sidecars tell the control plane, in the design's words (sections 1, 6 and 7). */
import type { TrotlineEvent } from './event.ts';

export const OUTCOMES = [
  'delivered',
  'rejected',
  'expired',
  'interrupted',
  'deduplicated',
  'grouped',
  'audited',
  'dropped',
] as const;
export type OutcomeName = (typeof OUTCOMES)[number];

export const ATTEMPT_STATUSES = ['delivered', 'rejected', 'retry', 'interrupted'] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

/** One attempt that ended (or that a crash cut short). Times are wall clock, milliseconds since the epoch. */
export interface AttemptRecord {
  /** Index in the hook's actions. */
  readonly action: number;
  readonly actionType: string;
  readonly number: number;
  readonly deliveryId: string;
  readonly status: AttemptStatus;
  readonly reason: string;
  readonly detail: string;
  readonly output: string;
  readonly timedOut: boolean;
  readonly startedMs: number;
  readonly durationMs: number;
}

/** Final word of a hook on an event. `sequence` is the sidecar's, from 1, without holes, stable over restarts. */
export interface OutcomeRecord {
  readonly sequence: number;
  readonly eventId: string;
  readonly hook: string;
  readonly outcome: OutcomeName;
  /** Why, for `dropped`, `rejected`, `expired` …; '' where there is nothing to say. */
  readonly reason: string;
  readonly uncoordinated: boolean;
  readonly timeMs: number;
  readonly attempts: readonly AttemptRecord[];
}

/** The name an outcome has in the ledger: `delivered`, `dropped(journal-full)` … */
export function ledgerName({ outcome, reason }: Pick<OutcomeRecord, 'outcome' | 'reason'>): string {
  return outcome === 'dropped' ? `dropped(${reason})` : outcome;
}

/** What a pending event waits for when no attempt follows any more: `giveUpAfter` ends before the next one. */
export const EXPIRY = 'expiry';

/** How a pending event stands; not durable. */
export interface ProgressRecord {
  readonly eventId: string;
  readonly hook: string;
  readonly attempts: readonly AttemptRecord[];
  readonly waitsFor: string;
  /** Wall clock, milliseconds since the epoch; with EXPIRY when it ends. */
  readonly nextAttemptMs: number;
}

/** Sequence numbers that a crash left without account; `to` null: the end is open. */
export interface UnknownRange {
  readonly from: number;
  readonly to: number | null;
}

/** One life of one source on a node: heard = unmatched + routed + Σ lost, and what is unknown. */
export interface SourceLedger {
  readonly source: string;
  readonly life: string;
  readonly heard: number;
  readonly unmatched: number;
  readonly routed: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly unknown: UnknownRange | null;
}

/** One hook on a node: routed = Σ outcomes + pending. `dropped` carries its reason in the name: `dropped(journal-full)`. */
export interface HookLedger {
  readonly hook: string;
  readonly routed: number;
  readonly pending: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface SourceHealth {
  readonly source: string;
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly reason: string;
  /** As in `Health`. */
  readonly hears?: string;
}

export interface Ledger {
  readonly sources: readonly SourceLedger[];
  readonly hooks: readonly HookLedger[];
  /** Sequence of the newest outcome the sidecar made; 0 before the first. */
  readonly outcomeSequence: number;
  readonly health: readonly SourceHealth[];
}

/** One request on the report stream. `events` holds each event that the rest names, once. */
export interface ReportBatch {
  readonly events: readonly TrotlineEvent[];
  readonly outcomes: readonly OutcomeRecord[];
  readonly progress: readonly ProgressRecord[];
  /** Null: unchanged since the last batch. */
  readonly ledger: Ledger | null;
}

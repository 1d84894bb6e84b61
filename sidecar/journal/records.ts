import {
  AppError,
  type AttemptRecord,
  type ClaimRow,
  isObject,
  type OutcomeRecord,
  type SourceLedger,
  type TrotlineEvent,
} from '#core';

import type { Moment } from '../boottime.ts';

/** Totals of one hook that outlive its entries. */
export interface HookTotals {
  routed: number;
  /** By ledger name: `delivered`, `dropped(journal-full)` … */
  readonly outcomes: Record<string, number>;
}

/** Counts that must survive the deletion of older segments; first record of each segment. */
export interface Head {
  readonly k: 'head';
  readonly nextEntry: number;
  readonly lastSequence: number;
  readonly ackedSequence: number;
  readonly hooks: Readonly<Record<string, HookTotals>>;
  readonly sources: readonly SourceLedger[];
  readonly lastFence: number;
}

/** One event was routed to hooks: entries `n`, `n + 1`, … in the order of `hooks`. */
export interface RoutedRecord {
  readonly k: 'routed';
  readonly n: number;
  readonly at: Moment;
  readonly bootId: string;
  readonly hooks: readonly string[];
  readonly event: TrotlineEvent;
}

export interface StartedRecord {
  readonly k: 'started';
  readonly n: number;
  readonly action: number;
  readonly actionType: string;
  readonly number: number;
  readonly deliveryId: string;
  readonly startedMs: number;
}

/** What an attempt wants the next one of its action to know; the newest counts. */
export interface RememberedRecord {
  readonly k: 'remembered';
  readonly n: number;
  readonly action: number;
  readonly actionType: string;
  readonly text: string;
}

export interface ResultRecord {
  readonly k: 'result';
  readonly n: number;
  readonly attempt: AttemptRecord;
}

/** Final: carries all attempts, so that it alone can be reported. */
export interface FinalRecord {
  readonly k: 'outcome';
  readonly n: number;
  readonly record: OutcomeRecord;
}

export interface AckedRecord {
  readonly k: 'acked';
  readonly sequence: number;
}

/** The control plane holds outcomes that this journal does not know: sequences of what is unreported are raised by so much. */
export interface SkippedRecord {
  readonly k: 'skipped';
  readonly by: number;
}

/** Ledgers of this life's sources, once a second while they change. */
export interface CountersRecord {
  readonly k: 'counters';
  readonly sources: readonly SourceLedger[];
}

/** A node-local key changed; null: free. `unsettled`: the control plane has not heard of its window yet. */
export interface ClaimRecord {
  readonly k: 'claim';
  readonly key: string;
  readonly row: ClaimRow | null;
  readonly unsettled: boolean;
}

/** A live entry moved out of an old segment, whole. */
export interface CarryRecord {
  readonly k: 'carry';
  readonly n: number;
  readonly at: Moment;
  readonly bootId: string;
  readonly hook: string;
  readonly event: TrotlineEvent;
  readonly open: readonly Omit<StartedRecord, 'k' | 'n'>[];
  readonly attempts: readonly AttemptRecord[];
  /** Older programs wrote none. */
  readonly remembered?: readonly Omit<RememberedRecord, 'k' | 'n'>[];
  readonly final: OutcomeRecord | null;
}

export type JournalRecord =
  | Head
  | RoutedRecord
  | StartedRecord
  | RememberedRecord
  | ResultRecord
  | FinalRecord
  | AckedRecord
  | SkippedRecord
  | CountersRecord
  | ClaimRecord
  | CarryRecord;

/** Bigints, which JSON has not, travel as `{"$bigint": "…"}`. */
export function encodeRecord(record: JournalRecord): string {
  try {
    // A replacer is called for every value, and bigints, which are refused here, are rare.
    return JSON.stringify(record);
  } catch {
    return JSON.stringify(record, bigintToJson);
  }
}

/** The frame's checksum vouches for what is inside; a kind of record that this version does not know is refused. */
export function decodeRecord(payload: string): JournalRecord {
  const value: unknown = JSON.parse(payload, bigintFromJson);
  if (!isRecord(value)) throw new AppError('STORE_FAILED', `unknown journal record: ${payload.slice(0, 80)}`);
  return value;
}

const KINDS: ReadonlySet<unknown> = new Set<JournalRecord['k']>([
  'head',
  'routed',
  'started',
  'remembered',
  'result',
  'outcome',
  'acked',
  'skipped',
  'counters',
  'claim',
  'carry',
]);

function isRecord(value: unknown): value is JournalRecord {
  return isObject(value) && KINDS.has(value.k);
}

function bigintToJson(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { $bigint: value.toString() } : value;
}

function bigintFromJson(_key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && '$bigint' in value && typeof value.$bigint === 'string') {
    return BigInt(value.$bigint);
  }
  return value;
}

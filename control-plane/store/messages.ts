/** What the main thread and the store's two threads say to each other. All of it survives a structured clone. */
import { AppError, type ErrorCode, errorText, type ReportBatch } from '#core';

import type { Retention } from './retention.ts';
import type {
  Approval,
  ApprovalQuery,
  ApprovalRequest,
  AuditRecord,
  ClaimResponseOf,
  EventDetail,
  EventQuery,
  EventSummary,
  Forgetting,
  Forgotten,
  HookStats,
  Joined,
  Joining,
  Members,
  NodeLedger,
  Override,
  Session,
  Settling,
} from './types.ts';

export interface ThreadOptions {
  readonly path: string;
  readonly retention: Retention;
}

export interface Call<Request, Answer> {
  readonly request: Request;
  readonly answer: Answer;
}

export interface ReportRequest {
  readonly sidecarId: string;
  readonly node: string;
  readonly batch: ReportBatch;
}

/** What became of a report. */
export interface Stored {
  /** Up to here everything is stored. */
  readonly sequence: number;
  /** Events of the batch, by index, that were not stored before. */
  readonly newEvents: readonly number[];
  /** So many outcomes at the end of the batch were not stored before. */
  readonly newOutcomes: number;
}

export interface ResumeRequest {
  readonly sidecarId: string;
  readonly node: string;
  readonly acknowledged: number;
}

export interface ClaimCall {
  readonly holder: string;
  /** With a buffer of its own: a view takes all of its buffer along. */
  readonly request: Uint8Array;
}

export interface OverrideRequest {
  readonly hook: string;
  /** Null removes it. */
  readonly enabled: boolean | null;
  readonly who: string;
}

export interface StatsResetRequest {
  /** Null: every hook. */
  readonly hook: string | null;
  readonly who: string;
}

/** Answered by the writer, after the commit. */
export interface WriterCalls {
  claim: Call<ClaimCall, ClaimResponseOf[]>;
  forgetWaiters: Call<string, void>;
  join: Call<Joining, Joined>;
  members: Call<string, Members>;
  endIncident: Call<{ readonly key: string; readonly windowMs: number }, null>;
  report: Call<ReportRequest, Stored>;
  resumeReports: Call<ResumeRequest, number>;
  setOverride: Call<OverrideRequest, null>;
  resetStats: Call<StatsResetRequest, HookStats[]>;
  askApproval: Call<ApprovalRequest, Approval>;
  settleApproval: Call<Settling, Approval>;
  /** True: there is more to count. */
  summarise: Call<null, boolean>;
  forgetSession: Call<Forgetting, Forgotten>;
  note: Call<Omit<AuditRecord, 'id' | 'whenMs'>, null>;
  /** Writes the rest of the write-ahead log back, so that it starts anew. */
  checkpoint: Call<null, null>;
  close: Call<null, null>;
}

/** The database's part of an event: without the hooks that are pending, which the main thread knows. */
export interface StoredQuery extends EventQuery {
  /** Events that match `hook` and `outcome` by a pending hook, whatever is stored. */
  readonly alsoIds: readonly string[];
}

/** Answered by the reader, from what is committed. */
export interface ReaderCalls {
  events: Call<StoredQuery, EventSummary[]>;
  event: Call<string, EventDetail | null>;
  summaries: Call<readonly string[], EventSummary[]>;
  stats: Call<null, HookStats[]>;
  ledger: Call<null, NodeLedger[]>;
  overrides: Call<null, Override[]>;
  audit: Call<number, AuditRecord[]>;
  approvals: Call<ApprovalQuery, Approval[]>;
  sessions: Call<number, Session[]>;
  session: Call<string, Session | null>;
  close: Call<null, null>;
}

/** Every call of a thread, as one message each; many travel in one array. */
export type RequestOf<Calls> = {
  [K in keyof Calls]: {
    readonly id: number;
    readonly kind: K;
    readonly request: Calls[K] extends Call<infer R, unknown> ? R : never;
  };
}[keyof Calls];

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Failure };

/**
 * What a thread says: first `ready` or `failed`, then replies and what nobody asked for: `claimsReset` after a commit
 * that failed, `walGrew` when the writer should finish a checkpoint, `trouble` for the log.
 */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'claimAnswers'; readonly responses: readonly ClaimResponseOf[] }
  | { readonly kind: 'claimsReset' }
  | { readonly kind: 'walGrew' }
  | { readonly kind: 'trouble'; readonly what: string; readonly error: string };

/** An error as it crosses threads; what is not ours becomes STORE_FAILED. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof AppError) return { code: thrown.code, message: thrown.message };
  return { code: 'STORE_FAILED', message: `store failed: ${errorText(thrown)}` };
}

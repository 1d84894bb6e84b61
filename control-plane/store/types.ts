/** What the control plane keeps and what can be asked of it. Times are wall clock, milliseconds since the epoch. */
import type { AttemptRecord, Component, Ledger, OutcomeRecord, ReportBatch, ToolCount, TrotlineEvent } from '#core';

/** An encoded `ClaimResponse` and the sidecar that it is for. */
export interface ClaimResponseOf {
  readonly holder: string;
  readonly response: Uint8Array;
}

/** A member of an incident (`spec.group` of a hook). */
export interface Joining {
  /** The claim's. */
  readonly key: string;
  /** What the limit counts. */
  readonly budget: string;
  /** One line; the same line is the same member. */
  readonly member: string;
  /** Null: any number of incidents. */
  readonly limit: { readonly incidents: number; readonly perMs: number } | null;
}

export interface Joined {
  /** It would have begun one incident more than the limit allows. */
  readonly limited: boolean;
  /** Incidents of the budget within the limit's time, this one included; 0 without a limit. */
  readonly opened: number;
}

export interface Members {
  readonly count: number;
  /** The first, in the order they joined. */
  readonly members: readonly string[];
}

/** The one store; everything it resolves is durable against kill -9. STORE_FAILED: nothing of the call is stored. */
export interface Store extends Component {
  /**
   * The operations of an encoded `ClaimRequest`, in order; answers for other holders (keys that freed) are among the responses.
   * Bytes, so that the thread that applies them is the only one that makes objects of them. Rejects with MESSAGE_INVALID, nothing
   * applied, when they are none.
   */
  claim(holder: string, request: Uint8Array): Promise<ClaimResponseOf[]>;
  /** Answers that no request caused: leases that ran out. One listener. */
  onClaimAnswers(listener: (responses: readonly ClaimResponseOf[]) => void): void;
  /** A commit failed: every waiter is forgotten and must ask again. One listener. */
  onClaimsReset(listener: () => void): void;
  /** A sidecar's claim stream ended. Answers for it that follow are for what it asks from then on. */
  forgetWaiters(holder: string): Promise<void>;
  /** Makes it a member of the open incident, or of a new one. */
  join(joining: Joining): Promise<Joined>;
  /** Of the open incident of this key. */
  members(key: string): Promise<Members>;
  /** The incident is answered and ends with the window that opens now. */
  endIncident(key: string, windowMs: number): Promise<void>;
  /**
   * Idempotent by sequence; resolves with the sequence up to which everything is stored. Rejects with MESSAGE_INVALID,
   * nothing stored: a hole in the sequence, or an outcome whose event is neither in the batch nor stored.
   */
  report(sidecarId: string, node: string, batch: ReportBatch): Promise<number>;
  /**
   * Where a sidecar goes on: the sequence up to which its outcomes are stored, or, when a control plane acknowledged more than is stored
   * here (a volume was lost, or is an older copy), that. What is missing is then noted in ledger and audit.
   */
  resumeReports(sidecarId: string, node: string, acknowledged: number): Promise<number>;
  /** Newest first, as many as a bounded answer holds; pending hooks included from progress. */
  events(query: EventQuery): Promise<EventSummary[]>;
  /** By full id or a unique start of it; null when there is none. Texts are in full but for pending hooks. */
  event(id: string): Promise<EventDetail | null>;
  /** Every stored or pending event and outcome after it was stored, for tails; returns the unsubscribe. */
  subscribe(listener: (summary: EventSummary) => void): () => void;
  /** Every event and every outcome once, after it was stored for the first time, in the order of the store. One listener. */
  onNews(listener: (news: News) => void): void;
  stats(): Promise<HookStats[]>;
  /** Forgets the statistics of a hook on every node (null: of all hooks), and returns them. Writes an audit record. */
  resetStats(hook: string | null, who: string): Promise<HookStats[]>;
  ledger(): Promise<NodeLedger[]>;
  overrides(): Promise<Override[]>;
  /** Null removes it. Writes an audit record. */
  setOverride(hook: string, enabled: boolean | null, who: string): Promise<void>;
  audit(limit: number): Promise<AuditRecord[]>;
  /** Asks for an approval, or says how the one of this id stands. STATE_ILLEGAL: too many wait. */
  askApproval(request: ApprovalRequest): Promise<Approval>;
  /** NOT_FOUND; STATE_ILLEGAL: it has its answer. Writes an audit record. */
  settleApproval(settling: Settling): Promise<Approval>;
  /** The oldest first, of the newest. */
  approvals(query: ApprovalQuery): Promise<Approval[]>;
  /** Counts what agents did and is not counted yet, by session. */
  summarise(): Promise<void>;
  /** The one that was heard last first; what was not counted yet is not in them. */
  sessions(limit: number): Promise<Session[]>;
  session(session: string): Promise<Session | null>;
  /** Deletes what is stored of a session: events, outcomes, approvals. Its later events are stored again. Writes an audit record. */
  forgetSession(forgetting: Forgetting): Promise<Forgotten>;
  /** Writes an audit record of what is kept elsewhere. */
  note(record: Omit<AuditRecord, 'id' | 'whenMs'>): Promise<void>;
}

/** Of one report, what was not stored before. */
export interface News {
  readonly events: readonly TrotlineEvent[];
  readonly outcomes: readonly OutcomeRecord[];
}

/** What an agent did in one session, in brief (spec leanvibe B4). */
export interface Session {
  readonly session: string;
  /** '' where the runtime does not say. */
  readonly agent: string;
  readonly node: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly events: number;
  /** Calls that were denied. */
  readonly refused: number;
  /** Uses of each tool: those that ended, and those that were denied. */
  readonly tools: Readonly<Record<string, ToolCount>>;
}

export interface Forgetting {
  readonly session: string;
  readonly who: string;
}

export interface Forgotten {
  readonly session: string;
  readonly events: number;
  readonly approvals: number;
}

/** From waiting to one of its ends. */
export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** What a person is asked. */
export interface AskedPerson {
  readonly dialect: string;
  readonly session: string;
  readonly agent: string;
  readonly tool: string;
  /** What the agent is about to do: a command, a path, an address. */
  readonly text: string;
  readonly cwd: string;
  /** Why a person is asked. */
  readonly reason: string;
  readonly risk: string;
}

export interface ApprovalRequest {
  /** Of the event. */
  readonly id: string;
  readonly hook: string;
  readonly node: string;
  readonly asked: AskedPerson;
  /** From the first request with this id on. */
  readonly waitMs: number;
}

export interface Approval extends Omit<ApprovalRequest, 'waitMs'> {
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly state: ApprovalState;
  /** '' while it is pending. */
  readonly who: string;
  readonly why: string;
  readonly settledMs: number | null;
}

export interface Settling {
  readonly id: string;
  readonly state: Exclude<ApprovalState, 'pending'>;
  /** Of the sidecar that says so; missing: a person does. One of another node is none. */
  readonly node?: string;
  readonly who: string;
  readonly why: string;
}

export interface ApprovalQuery {
  /** Null: all. */
  readonly state: ApprovalState | null;
  readonly limit: number;
}

export interface EventQuery {
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** All types of this source. */
  readonly source?: string;
  readonly type?: string;
  readonly hook?: string;
  readonly node?: string;
  readonly outcome?: string;
  /** Of an agent. */
  readonly session?: string;
  /** 1 to 10,000; default 100. */
  readonly limit?: number;
}

/** One hook's word on an event; `outcome` is `pending` before the final one. */
export interface HookOutcome {
  readonly hook: string;
  readonly outcome: OutcomeRecord['outcome'] | 'pending';
  readonly reason: string;
  readonly uncoordinated: boolean;
  readonly timeMs: number;
  readonly attempts: readonly AttemptRecord[];
  readonly waitsFor: string;
  readonly nextAttemptMs: number;
}

/** Texts of its attempts are cut after their beginning. */
export interface EventSummary {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly node: string;
  readonly timeMs: number;
  readonly hooks: readonly HookOutcome[];
}

export interface EventDetail extends EventSummary {
  readonly event: TrotlineEvent;
}

/** Attempts of one hook on one node; executions = successes + failures + timeouts (rows N26, N27). Durations in ms. */
export interface HookStats {
  readonly hook: string;
  readonly node: string;
  readonly executions: number;
  readonly successes: number;
  readonly failures: number;
  readonly timeouts: number;
  readonly minMs: number | null;
  /** Of those whose end was seen. */
  readonly avgMs: number | null;
  readonly maxMs: number | null;
  readonly totalMs: number;
  /** Of the newest 256 whose end was seen. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** When the newest execution began. */
  readonly lastAtMs: number | null;
}

/** What a sidecar last said beside what is stored of it. */
export interface NodeLedger {
  readonly sidecarId: string;
  readonly node: string;
  readonly ledger: Ledger;
  readonly storedSequence: number;
  /** Outcomes up to this one may be missing here, although they were acknowledged; 0: none are. */
  readonly missingUntil: number;
  /** Stored outcomes by hook and outcome (`dropped(reason)`), counted over the sidecar's whole life, also beyond retention. */
  readonly stored: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly updatedMs: number;
}

/** An administrator's word over a hook's `enabled`. */
export interface Override {
  readonly hook: string;
  readonly enabled: boolean;
  readonly who: string;
  readonly whenMs: number;
}

export interface AuditRecord {
  readonly id: number;
  readonly whenMs: number;
  readonly who: string;
  readonly act: string;
  readonly subject: string;
  readonly detail: string;
}

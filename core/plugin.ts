import type { AgentCall } from './agent.ts';
import type { Clock } from './clock.ts';
import type { EventDraft, TrotlineEvent } from './event.ts';
import type { Component } from './lifecycle.ts';
import type { Log } from './log.ts';
import type { Infer, ObjectSchema } from './schema.ts';
import type { AskedPeople, Judgment, PersonAnswer, Question, Verdict } from './verdict.ts';

export type Stability = 'experimental' | 'stable';

/** How a running part fares. A plugin reports only changes; the host derives the first report from start and stop. */
export type Health =
  | { readonly status: 'ok'; readonly hears?: string }
  | { readonly status: 'degraded'; readonly reason: string; readonly hears?: string }
  | { readonly status: 'failed'; readonly error: unknown };

export interface SourceContext {
  readonly node: string;
  /** Folder of the sidecar on this node, absolute: for sockets and files that others look for. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Hands a batch over, in order. Resolves when each is journaled or unmatched: that is the backpressure. After the
   * drain deadline it rejects, so `stop` never hangs on it. Sequences must rise without holes but for reported losses.
   */
  readonly emit: (events: readonly EventDraft[]) => Promise<void>;
  /** Says that `count` things with the next `count` sequence numbers were heard of but lost. Counted in the ledger. */
  readonly lost: (reason: string, count: number) => void;
  /**
   * Asks the hooks of this node while an agent waits; nothing is emitted by it. `fact` makes the id of the event, which is
   * emitted afterwards with the same fact and the verdict's `judged`. Throws PEER_UNAVAILABLE before the first hooks are
   * there: a verdict is never guessed.
   */
  readonly ask: (inquiry: Inquiry) => Promise<Verdict>;
  /**
   * Asks people, where a verdict wants that: resolves with their answer, or with deny when there is none in time. Rejects with the
   * signal's reason.
   */
  readonly askPeople: (asked: AskedPeople, signal: AbortSignal) => Promise<PersonAnswer>;
  /** Keys that the cluster signs tokens of service accounts with; null: none are known. `fresh`: those known do not do. */
  readonly clusterKeys: (fresh: boolean) => Promise<ClusterKeySet | null>;
  /** At any time between start and stop. */
  readonly report: (health: Health) => void;
  readonly memory: SourceMemory;
}

/** Public keys (RFC 7517), and whose. */
export interface ClusterKeySet {
  readonly issuer: string;
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

export interface Inquiry {
  readonly call: AgentCall;
  readonly fact: string;
  /** Wall clock, milliseconds since the epoch. */
  readonly time: number;
  /** Who has not judged by then counts as broken. People are asked only within it. */
  readonly deadlineMs: number;
  readonly traceparent?: string;
}

/** One text that outlives the process: what a source has to know of its former life. At most a few hundred KiB. */
export interface SourceMemory {
  /** Null when there is none, or when it cannot be read: the source begins anew. */
  read(): Promise<string | null>;
  /** Whole or not at all, also at `kill -9`; rejects when the disk does not take it. */
  write(text: string): Promise<void>;
}

export interface SourceDefinition<S extends ObjectSchema = ObjectSchema> {
  readonly kind: 'source';
  /** Lower-kebab; the first part of every event type it emits. */
  readonly type: string;
  readonly stability: Stability;
  /** Every event type it emits, canonical. */
  readonly eventTypes: readonly string[];
  readonly config: S;
  create(config: Infer<S>, context: SourceContext): Component;
}

/** Program to run, as the host's spawner takes it. */
export interface Program {
  /** Absolute path first. */
  readonly argv: readonly string[];
  /** `argv` is a shell with text to run: only where the node's policy allows it. */
  readonly shell: boolean;
  /** Complete: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Bytes for its stdin; null is /dev/null. */
  readonly stdin: string | null;
  /** Absolute; `/` when null. */
  readonly directory: string | null;
  /** `user[:group]` by name or number; null keeps the spawner's. */
  readonly user: string | null;
  /** Resource limits by name: cpuSeconds, memoryBytes, openFiles, processes, fileBytes. */
  readonly limits: Readonly<Partial<Record<LimitName, number>>>;
  /** Limits of its whole tree together; null: none. Where the node has no cgroup for it, it does not run. */
  readonly cgroup: CgroupLimits | null;
  /** Standard error is kept apart from the output. */
  readonly errorsApart?: boolean;
}

/** As systemd's MemoryMax, TasksMax and CPUQuota: 100 percent is one processor. */
export interface CgroupLimits {
  readonly memoryBytes?: number;
  readonly pids?: number;
  readonly cpuPercent?: number;
}

export type LimitName = 'cpuSeconds' | 'memoryBytes' | 'openFiles' | 'processes' | 'fileBytes';

/** How a program ended. Exactly one of `exitCode`, `signal`, `startError` is not null. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The program never ran: which call failed and why, and whether want of resources (EAGAIN, ENOMEM, EMFILE) was it. */
  readonly startError: { readonly syscall: string; readonly code: string; readonly transient: boolean } | null;
  readonly timedOut: boolean;
  readonly durationMs: number;
  /** First 64 KiB of stdout and stderr together, UTF-8 with replacement characters. */
  readonly output: string;
  /** As much of stderr, where it was to be kept apart; '' otherwise. */
  readonly errorOutput: string;
  readonly outputTruncated: boolean;
}

/** How requests connect. One object is one pool of connections: make it once, pass it with each request. */
export interface Connection {
  /** PEM of the authorities that the receiver's certificate is checked against, in place of the well-known ones. */
  readonly ca?: string;
  /** PEM of the client's own certificate and of its key. */
  readonly cert?: string;
  readonly key?: string;
  /** Every request goes through this HTTP proxy; the node's policy then judges the proxy. */
  readonly proxy?: string;
  /** Connections to one origin; further requests wait their turn. */
  readonly atOnce?: number;
}

export type ContextFetch = (
  input: string | URL | Request,
  init?: RequestInit & { readonly connection?: Connection },
) => Promise<Response>;

export interface ActionContext {
  readonly clock: Clock;
  readonly log: Log;
  /** HTTP with the node policy's destination checks built in. */
  readonly fetch: ContextFetch;
  /** Runs a program in the host's spawner under the node policy; aborting kills its whole tree. */
  readonly run: (program: Program, signal: AbortSignal) => Promise<Ended>;
  /**
   * The absolute folder of an OCI image, pulled and unpacked under the node policy; it stays until the action has stopped. Asked
   * for in `start`, so that no event waits for a registry. Rejects with POLICY_REFUSED, or with PEER_UNAVAILABLE while it is being
   * pulled or cannot be: the hook is started again when that changes. Missing: this host has none.
   */
  readonly bundle?: (ref: string) => Promise<string>;
}

/** Characters that an attempt may remember. */
export const MAX_REMEMBERED = 1024;

/** What an action may know of the attempt it is making. */
export interface Attempt {
  /** Stable over retries of the same hook, action and event: give it to the receiver. */
  readonly deliveryId: string;
  /** From 1. */
  readonly number: number;
  readonly hook: string;
  /** Aborts when the lease is gone, the drain deadline has passed, or the sidecar stops. */
  readonly signal: AbortSignal;
  /** W3C trace context of the attempt's span; absent without one. */
  readonly traceparent?: string;
  /** What an earlier attempt of the same delivery id remembered last; null: nothing. Survives a crash of the sidecar. */
  readonly remembered: string | null;
  /** Keeps a text for the attempts that follow, in place of the one before: durable once it resolves. At most MAX_REMEMBERED. */
  readonly remember: (text: string) => Promise<void>;
}

export interface ResultDetail {
  /** One line for people: `200 in 9 ms`, `exit 1`. */
  readonly detail?: string;
  /** Captured output, bounded by the action. */
  readonly output?: string;
  readonly timedOut?: boolean;
}

/** Expected ends are values. A throw from `handle` is a defect: counted, logged with stack, treated as rejected. */
export type Result = ResultDetail &
  (
    | { readonly status: 'delivered' }
    | { readonly status: 'rejected'; readonly reason: string }
    | { readonly status: 'retry'; readonly reason: string; readonly afterMs?: number }
  );

export interface Action extends Component {
  /** One attempt. Called concurrently for different events; never after `stop` resolved. */
  handle(event: TrotlineEvent, attempt: Attempt): Promise<Result>;
  /**
   * Says what it thinks while an agent waits; an action that has this is asked before `handle` could be, and `handle` only
   * does what a crash left undone. At once where it can. A throw means broken: the hook's `onFailure` decides.
   */
  judge?(question: Question, asked: Asked): Judgment | Promise<Judgment>;
}

export interface Asked {
  readonly hook: string;
  readonly deliveryId: string;
  /** Aborts at the deadline. */
  readonly signal: AbortSignal;
}

export interface ActionDefinition<S extends ObjectSchema = ObjectSchema> {
  readonly kind: 'action';
  readonly type: string;
  readonly stability: Stability;
  readonly config: S;
  /**
   * What its attempts share, and how many of them may be under way at a time on a node: the others wait, first come, first
   * served, and count as attempts only from then on. Missing or null: there is no limit.
   */
  places?(config: Infer<S>): { readonly of: string; readonly count: number } | null;
  create(config: Infer<S>, context: ActionContext): Action;
}

export function defineSource<S extends ObjectSchema>(
  definition: Omit<SourceDefinition<S>, 'kind'>,
): SourceDefinition<S> {
  return { kind: 'source', ...definition };
}

export function defineAction<S extends ObjectSchema>(
  definition: Omit<ActionDefinition<S>, 'kind'>,
): ActionDefinition<S> {
  return { kind: 'action', ...definition };
}

/** What is asked while an agent waits, and what it is told (design sections 1, 2 and 7.4). */
import { agentDraft, type AgentCall } from './agent.ts';
import type { TrotlineEvent } from './event.ts';
import type { AttemptRecord } from './report.ts';

/** From the mildest to the strictest: of several, the strictest counts. */
export const DECISIONS = ['allow', 'ask', 'deny'] as const;
export type Decision = (typeof DECISIONS)[number];

export const RISKS = ['SAFE', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'] as const;
export type Risk = (typeof RISKS)[number];

/** An event whose agent waits for the answer. */
export interface Question {
  readonly event: TrotlineEvent;
  readonly call: AgentCall;
}

/** What one action says to a question. */
export interface Judgment {
  /** Null: no opinion, the runtime's own rules go on. */
  readonly decision: Decision | null;
  /** For the agent and its user; '' where there is nothing to say. */
  readonly reason: string;
  readonly risk?: Risk;
  /** The tool's input in place of the agent's; it is judged again by all. */
  readonly updatedInput?: Readonly<Record<string, unknown>>;
  /** Text that is added to what the agent knows. */
  readonly context?: string;
  /** Text that is shown to the agent's user. */
  readonly message?: string;
  /** The agent is to end, for this reason. */
  readonly stop?: string;
  /** For the hook's record alone. */
  readonly detail?: string;
}

/** What the hooks said together. */
export interface Verdict extends Judgment {
  /** `namespace/name` of the hook that decided; '' when none did. */
  readonly hook: string;
  /** How long to wait for a person whom the deciding hook wants to be asked by us; null: the runtime asks its own user. */
  readonly approval: Approval | null;
  /** By hook: what goes into its record. */
  readonly judged: readonly HookJudgment[];
}

/** By whom a person is asked, and how long that may take. */
export interface Approval {
  readonly by: 'agent' | 'queue' | 'either';
  readonly waitMs: number;
}

/** What a person is to decide. */
export interface AskedPeople {
  /** Of the event. */
  readonly id: string;
  readonly call: AgentCall;
  /** What the agent is about to do, without secrets. */
  readonly text: string;
  /** That it says `ask`, and why. */
  readonly verdict: Verdict;
  /** Without an answer by then: deny. */
  readonly waitMs: number;
}

export interface PersonAnswer {
  readonly decision: 'allow' | 'deny';
  /** Who, and what they said to it. */
  readonly reason: string;
}

export interface HookJudgment {
  readonly hook: string;
  /** One for each action of the hook that judged. */
  readonly attempts: readonly AttemptRecord[];
}

export function strictest(a: Decision | null, b: Decision | null): Decision | null {
  return rank(a) >= rank(b) ? a : b;
}

function rank(decision: Decision | null): number {
  return decision === null ? -1 : DECISIONS.indexOf(decision);
}

export function riskRank(risk: Risk): number {
  return RISKS.indexOf(risk);
}

/** The same question with another input: what conditions see of it changes, too. */
export function withInput({ event, call }: Question, input: Readonly<Record<string, unknown>>): Question {
  const rewritten = { ...call, input };
  return { event: { ...event, ...agentDraft(rewritten, event.time) }, call: rewritten };
}

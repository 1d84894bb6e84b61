import type { AgentCall, Verdict } from '#core';

import type { Body } from '../../../bodies.ts';

/** What came in, before the node adds what it knows. */
export type Heard = Omit<AgentCall, 'peer' | 'truncated' | 'dialect'>;

export interface Answering {
  readonly eventId: string;
  readonly tookMs: number;
}

/** How one runtime writes its questions and reads its answers. */
export interface Dialect {
  readonly name: string;
  /** Whether a body is in this form, for callers who do not say: asked in the order of the table. */
  speaks(body: Body): boolean;
  /** Throws MESSAGE_INVALID with the place of what is wrong. */
  read(body: Body): Heard;
  /** JSON for the runtime. */
  answer(verdict: Verdict, call: AgentCall, answering: Answering): object;
  /** Whether a program between us and the runtime must end with exit code 2, since the JSON alone does not stop anything. */
  blocksByExit(verdict: Verdict, call: AgentCall): boolean;
  /** Whether the runtime asks its own user when told `ask`. */
  asksItself(call: AgentCall): boolean;
  /** What the runtime waits by its own default, milliseconds. */
  readonly patienceMs: number;
}

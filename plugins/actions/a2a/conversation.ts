/** One attempt: connect, send or resume, follow, and say what came of it. */
import { type ActionContext, type Attempt, durationText, type Infer, type Result, type TrotlineEvent } from '#core';

import type { Agent, Call } from './client.ts';
import type { config } from './config.ts';
import { type Asking, findOffers, openSession, type Target, targetOf } from './connect.ts';
import { factsOf } from './facts.ts';
import { failureIn } from './failure.ts';
import { type Answer, ask, type FollowOptions, resume } from './follow.ts';
import { Remembered } from './memory.ts';
import { type Question, questionOf } from './message.ts';
import { canceled, failed, resultOf } from './result.ts';

/** How long a card, or what was found out without one, is believed. */
const KEPT_MS = 300_000;
/** For a task that is resumed after its time was up: to see whether it has ended. */
const LAST_LOOK_MS = 5000;
const CANCEL_MS = 5000;

/** How far an attempt has come, for whoever has to end it. */
interface Progress {
  sent: boolean;
  agent: Agent | null;
}

export class Conversations {
  readonly #options: Infer<typeof config>;
  readonly #context: ActionContext;
  readonly #http: typeof globalThis.fetch;
  readonly #target: Target;
  #agents: { readonly agents: readonly Agent[]; readonly until: number } | null = null;

  constructor(options: Infer<typeof config>, context: ActionContext, http: typeof globalThis.fetch) {
    this.#options = options;
    this.#context = context;
    this.#http = http;
    this.#target = targetOf(options);
  }

  /** Throws when the attempt's signal aborted; otherwise only for a defect. */
  async hold(event: TrotlineEvent, attempt: Attempt): Promise<Result> {
    attempt.signal.throwIfAborted();
    const { clock } = this.#context;
    const { timeout } = this.#options;
    const remembered = new Remembered(attempt, this.#target.id, clock.now());
    const left = remembered.task === null ? timeout : timeout - (clock.now() - remembered.since);
    const deadline = AbortSignal.timeout(Math.min(timeout, Math.max(left, LAST_LOOK_MS)));
    const call: Call = { signal: AbortSignal.any([attempt.signal, deadline]), traceparent: attempt.traceparent };
    const progress: Progress = { sent: false, agent: null };
    const started = clock.monotonic();
    try {
      const answer = await this.#converse(event, attempt, remembered, call, progress);
      return resultOf(answer, clock.monotonic() - started);
    } catch (error) {
      attempt.signal.throwIfAborted();
      if (deadline.aborted) return await this.#cut(remembered, progress, call);
      this.#agents = null;
      const failure = failureIn(error);
      if (!failure) throw error;
      return failed(failure);
    }
  }

  async #converse(
    event: TrotlineEvent,
    attempt: Attempt,
    remembered: Remembered,
    call: Call,
    progress: Progress,
  ): Promise<Answer> {
    const { clock } = this.#context;
    const agents = await this.#connect(call);
    const question = questionOf(event, this.#target.id, this.#options.prompt, attempt.deliveryId);
    const optionsOf = (agent: Agent): FollowOptions => ({
      agent,
      call,
      clock,
      remembered,
      onSend: () => Object.assign(progress, { sent: true, agent }),
    });
    if (remembered.task !== null) {
      const answer = await this.#resume(agents, remembered, optionsOf);
      if (answer) return answer;
    }
    return this.#ask(agents, question, await this.#session(event, remembered, call), optionsOf);
  }

  /** The task that an earlier attempt began; null: the agent knows nothing of it any more. */
  async #resume(
    agents: readonly Agent[],
    remembered: Remembered,
    optionsOf: (agent: Agent) => FollowOptions,
  ): Promise<Answer | null> {
    const { NoSuchTask } = await import('./client.ts');
    const { task } = remembered;
    if (task === null) return null;
    try {
      return await trying(agents, (agent) => resume(optionsOf(agent), task));
    } catch (error) {
      if (!(error instanceof NoSuchTask)) throw error;
      await remembered.keep({ task: '' });
      return null;
    }
  }

  async #ask(
    agents: readonly Agent[],
    question: Question,
    contextId: string,
    optionsOf: (agent: Agent) => FollowOptions,
  ): Promise<Answer> {
    return trying(agents, (agent) => ask(optionsOf(agent), question, contextId));
  }

  /** kagent's session, opened once for all attempts; of other agents the context is theirs to make. */
  async #session(event: TrotlineEvent, remembered: Remembered, call: Call): Promise<string> {
    const { kagent } = this.#target;
    if (!kagent) return '';
    if (remembered.context !== null) return remembered.context;
    const seconds = Math.floor(this.#context.clock.now() / 1000);
    const name = `hook-${factsOf(event).eventType}-${seconds}`;
    const context = await openSession(kagent, name, this.#asking(call));
    await remembered.keep({ context });
    return context;
  }

  /** The agent under each way that it may be reached; what was found out is believed for a while. */
  async #connect(call: Call): Promise<readonly Agent[]> {
    const { clock } = this.#context;
    if (this.#agents && clock.monotonic() < this.#agents.until) return this.#agents.agents;
    const offers = await findOffers(this.#target, this.#asking(call));
    const { createAgent } = await import('./client.ts');
    const agents = await Promise.all(offers.map((offer) => createAgent(offer, this.#http)));
    this.#agents = { agents, until: clock.monotonic() + KEPT_MS };
    return agents;
  }

  #asking({ signal, traceparent }: Call): Asking {
    return { http: this.#http, signal, traceparent };
  }

  /** The time is up: a task is canceled; a message without an answer may have been acted upon all the same. */
  async #cut({ task }: Remembered, { sent, agent }: Progress, { traceparent }: Call): Promise<Result> {
    const limit = durationText(this.#options.timeout);
    if (!sent) return { status: 'retry', reason: `agent not reached in ${limit}`, timedOut: true };
    if (task === null || !agent) return { status: 'rejected', reason: `no answer in ${limit}`, timedOut: true };
    const cancelling = agent.cancel(task, { signal: AbortSignal.timeout(CANCEL_MS), traceparent });
    return cancelling.then(
      () => canceled(task, limit, null),
      (error: unknown) => canceled(task, limit, error),
    );
  }
}

/** One agent after the other, as long as they do not understand what they are asked. */
async function trying<T>(agents: readonly Agent[], work: (agent: Agent) => Promise<T>): Promise<T> {
  const { OtherVersion } = await import('./client.ts');
  const [first, ...others] = agents;
  if (!first) throw new Error('an agent without a way to call it');
  try {
    return await work(first);
  } catch (error) {
    if (!(error instanceof OtherVersion) || others.length === 0) throw error;
    return trying(others, work);
  }
}

/** Follows a task to its end, streamed or polled; a stream that breaks off is taken up again. */
import type { Clock } from '#core';

import type { Agent, Call } from './client.ts';
import { AgentFailure, failureIn } from './failure.ts';
import type { Remembered } from './memory.ts';
import type { Question } from './message.ts';
import { TaskView, type Update } from './task.ts';

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 5000;

export type Answer =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'task'; readonly task: TaskView };

export interface FollowOptions {
  readonly agent: Agent;
  readonly call: Call;
  readonly clock: Clock;
  readonly remembered: Remembered;
  /** The message is about to leave: from now on the agent may act. */
  readonly onSend: () => void;
}

/** Sends the message and waits for what becomes of it. */
export async function ask(options: FollowOptions, question: Question, contextId: string): Promise<Answer> {
  options.onSend();
  return hear(options, options.agent.send(question, contextId, options.call), null);
}

/** Goes on with a task that an earlier attempt began. */
export async function resume(options: FollowOptions, taskId: string): Promise<Answer> {
  const first = await options.agent.get(taskId, options.call);
  const task = new TaskView(first.taskId, first.contextId);
  task.apply(first);
  options.onSend();
  if (task.ended) return { kind: 'task', task };
  return options.agent.streaming
    ? hear(options, options.agent.resubscribe(taskId, options.call), task)
    : poll(options, task);
}

async function hear(options: FollowOptions, updates: AsyncIterable<Update>, known: TaskView | null): Promise<Answer> {
  let task = known;
  try {
    for await (const update of updates) {
      if (update.kind === 'message') return { kind: 'message', text: update.text };
      if (task === null) {
        task = new TaskView(update.taskId, update.contextId);
        await options.remembered.keep({ task: task.id, context: task.contextId });
      }
      task.apply(update);
      if (task.ended) return { kind: 'task', task: await complete(options, task) };
    }
  } catch (error) {
    options.call.signal.throwIfAborted();
    // What a task's agent said wrong is final; a connection that is gone is no news of the task.
    if (task === null || failureIn(error)?.status !== 'retry') throw error;
  }
  if (task === null) throw new AgentFailure('rejected', 'agent answered with an empty stream');
  return poll(options, task);
}

async function poll({ agent, call, clock }: FollowOptions, task: TaskView): Promise<Answer> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
    if (task.ended) return { kind: 'task', task };
    await clock.sleep(pauseMs, call.signal);
    task.apply(await agent.get(task.id, call));
  }
}

/** A stream may leave out what the agent made before it was heard, or that a piece was to be appended: the task itself has it all. */
async function complete({ agent, call }: FollowOptions, task: TaskView): Promise<TaskView> {
  try {
    const whole = await agent.get(task.id, call);
    if (whole.artifacts.some(({ text }) => text !== '') || task.text === '') task.apply(whole);
  } catch {
    // It has ended, whatever it said.
    call.signal.throwIfAborted();
  }
  return task;
}

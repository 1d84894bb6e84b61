/** What an agent's answer means for the attempt. */
import { oneLine, durationText, errorText, type Result } from '#core';

import type { AgentFailure } from './failure.ts';
import type { Answer } from './follow.ts';
import type { State } from './task.ts';

const LONGEST_REASON = 500;

/** Ends that are no success, as a reason begins. */
const REASONS: Readonly<Partial<Record<State, string>>> = {
  failed: 'agent failed',
  rejected: 'agent rejected the task',
  canceled: 'task was canceled',
  'input-required': 'agent asks for input',
  'auth-required': 'agent asks for authentication',
};

export function resultOf(answer: Answer, tookMs: number): Result {
  const took = durationText(Math.round(tookMs));
  if (answer.kind === 'message')
    return { status: 'delivered', detail: `answered in ${took}`, ...outputOf(answer.text) };
  const { task } = answer;
  const beginning = REASONS[task.state];
  const detail = `${task.state} in ${took}`;
  if (beginning === undefined) return { status: 'delivered', detail, ...outputOf(task.text) };
  const said = oneLine(task.said, LONGEST_REASON);
  const reason = said === '' ? beginning : `${beginning}: ${said}`;
  return { status: 'rejected', reason, detail, ...outputOf(task.text) };
}

export function failed({ status, message, afterMs }: AgentFailure): Result {
  const reason = message;
  if (status === 'rejected') return { status, reason };
  return { status, reason, ...(afterMs === undefined ? {} : { afterMs }) };
}

/** An agent may have acted before its time was up, so this is final. */
export function canceled(taskId: string, limit: string, problem: unknown): Result {
  const task = `task ${oneLine(taskId, 100)}`;
  const end =
    problem === null ? `${task} canceled` : `${task} could not be canceled: ${oneLine(errorText(problem), 200)}`;
  return { status: 'rejected', reason: `no end in ${limit}: ${end}`, timedOut: true };
}

function outputOf(text: string): { readonly output?: string } {
  return text === '' ? {} : { output: text };
}

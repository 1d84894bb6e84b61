/** One behaviour as an agent of either version of the official library: what a turn does becomes that version's events. */
import { Role, TaskState } from '@a2a-js/sdk';
import { AgentEvent, type AgentExecutor } from '@a2a-js/sdk/server';
import type { AgentExecutor as OldExecutor } from 'a2a-sdk-0-3/server';

/** A message as the agent got it. */
export interface Asked {
  readonly messageId: string;
  readonly contextId: string;
  readonly role: 'user' | 'agent';
  readonly texts: readonly string[];
  readonly data: readonly unknown[];
}

export type EndState = 'completed' | 'failed' | 'canceled' | 'rejected' | 'input-required' | 'auth-required';

/** What an agent may do with a message: one message back, or a task. */
export interface Turn {
  readonly asked: Asked;
  readonly taskId: string;
  /** Answers without a task; ends the turn. */
  say(text: string): void;
  working(said?: string): void;
  /** The first call with an id makes the artifact, later ones append. */
  artifact(id: string, text: string): void;
  end(state: EndState, said?: string): void;
  /** Aborts when the task is canceled: the turn has ended then. */
  readonly canceled: AbortSignal;
}

export type Behaviour = (turn: Turn) => void | Promise<void>;

/** What became of it, for the test. */
export interface Diary {
  readonly asked: Asked[];
  readonly canceled: string[];
}

interface Events {
  message(text: string): void;
  task(): void;
  status(state: EndState | 'working', said: string, final: boolean): void;
  artifact(id: string, text: string, append: boolean): void;
  finished(): void;
}

function turnOf(asked: Asked, taskId: string, events: Events, canceled: AbortSignal): Turn {
  const artifacts = new Set<string>();
  let begun = false;
  const begin = (): void => {
    if (!begun) events.task();
    begun = true;
  };
  return {
    asked,
    taskId,
    canceled,
    say(text) {
      events.message(text);
      events.finished();
    },
    working(said = '') {
      begin();
      events.status('working', said, false);
    },
    artifact(id, text) {
      begin();
      events.artifact(id, text, artifacts.has(id));
      artifacts.add(id);
    },
    end(state, said = '') {
      begin();
      events.status(state, said, true);
      events.finished();
    },
  };
}

const STATES: Readonly<Record<EndState | 'working', TaskState>> = {
  working: TaskState.TASK_STATE_WORKING,
  completed: TaskState.TASK_STATE_COMPLETED,
  failed: TaskState.TASK_STATE_FAILED,
  canceled: TaskState.TASK_STATE_CANCELED,
  rejected: TaskState.TASK_STATE_REJECTED,
  'input-required': TaskState.TASK_STATE_INPUT_REQUIRED,
  'auth-required': TaskState.TASK_STATE_AUTH_REQUIRED,
};

const NO_EXTRAS = { metadata: undefined, extensions: [], referenceTaskIds: [] };

/** Of A2A 1.0. */
export function newExecutor(behave: Behaviour, diary: Diary): AgentExecutor {
  const running = new Map<string, AbortController>();
  return {
    async execute({ userMessage, taskId, contextId }, bus) {
      const part = (text: string) => ({
        content: { $case: 'text' as const, value: text },
        metadata: undefined,
        filename: '',
        mediaType: 'text/plain',
      });
      const message = (text: string) => ({
        messageId: crypto.randomUUID(),
        contextId,
        taskId,
        role: Role.ROLE_AGENT,
        parts: [part(text)],
        ...NO_EXTRAS,
      });
      const status = (state: TaskState, said: string) => ({
        state,
        message: said === '' ? undefined : message(said),
        timestamp: new Date().toISOString(),
      });
      const asked: Asked = {
        messageId: userMessage.messageId,
        contextId: userMessage.contextId,
        role: userMessage.role === Role.ROLE_USER ? 'user' : 'agent',
        texts: userMessage.parts.flatMap(({ content }) => (content?.$case === 'text' ? [content.value] : [])),
        data: userMessage.parts.flatMap(({ content }) => (content?.$case === 'data' ? [content.value] : [])),
      };
      diary.asked.push(asked);
      const canceled = new AbortController();
      running.set(taskId, canceled);
      const events: Events = {
        message: (text) => bus.publish(AgentEvent.message({ ...message(text), taskId: '' })),
        task: () =>
          bus.publish(
            AgentEvent.task({
              id: taskId,
              contextId,
              status: status(TaskState.TASK_STATE_SUBMITTED, ''),
              artifacts: [],
              history: [userMessage],
              metadata: undefined,
            }),
          ),
        status: (state, said) =>
          bus.publish(
            AgentEvent.statusUpdate({ taskId, contextId, status: status(STATES[state], said), metadata: undefined }),
          ),
        artifact: (artifactId, text, append) =>
          bus.publish(
            AgentEvent.artifactUpdate({
              taskId,
              contextId,
              artifact: {
                artifactId,
                name: '',
                description: '',
                parts: [part(text)],
                metadata: undefined,
                extensions: [],
              },
              append,
              lastChunk: false,
              metadata: undefined,
            }),
          ),
        finished: () => bus.finished(),
      };
      canceled.signal.addEventListener('abort', () => {
        events.status('canceled', '', true);
        events.finished();
      });
      await behave(turnOf(asked, taskId, events, canceled.signal));
    },
    async cancelTask(taskId) {
      diary.canceled.push(taskId);
      running.get(taskId)?.abort();
    },
  };
}

/** Of A2A 0.3. */
export function oldExecutor(behave: Behaviour, diary: Diary): OldExecutor {
  const running = new Map<string, AbortController>();
  return {
    async execute({ userMessage, taskId, contextId }, bus) {
      const message = (text: string) => ({
        kind: 'message' as const,
        messageId: crypto.randomUUID(),
        contextId,
        role: 'agent' as const,
        parts: [{ kind: 'text' as const, text }],
      });
      const asked: Asked = {
        messageId: userMessage.messageId,
        contextId: userMessage.contextId ?? '',
        role: userMessage.role,
        texts: userMessage.parts.flatMap((part) => (part.kind === 'text' ? [part.text] : [])),
        data: userMessage.parts.flatMap((part) => (part.kind === 'data' ? [part.data] : [])),
      };
      diary.asked.push(asked);
      const canceled = new AbortController();
      running.set(taskId, canceled);
      const events: Events = {
        message: (text) => bus.publish(message(text)),
        task: () =>
          bus.publish({ kind: 'task', id: taskId, contextId, status: { state: 'submitted' }, history: [userMessage] }),
        status: (state, said, final) =>
          bus.publish({
            kind: 'status-update',
            taskId,
            contextId,
            status: { state, ...(said === '' ? {} : { message: message(said) }) },
            final,
          }),
        artifact: (artifactId, text, append) =>
          bus.publish({
            kind: 'artifact-update',
            taskId,
            contextId,
            artifact: { artifactId, parts: [{ kind: 'text', text }] },
            append,
          }),
        finished: () => bus.finished(),
      };
      canceled.signal.addEventListener('abort', () => {
        events.status('canceled', '', true);
        events.finished();
      });
      await behave(turnOf(asked, taskId, events, canceled.signal));
    },
    async cancelTask(taskId) {
      diary.canceled.push(taskId);
      running.get(taskId)?.abort();
    },
  };
}

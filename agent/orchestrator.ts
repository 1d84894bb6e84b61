/** Hooks around an orchestrator's own methods, which are put back as they were (spec leanvibe B10, L41, L43). */
import { randomUUID } from 'node:crypto';

import { isObject, textOf } from '#core';

import { hookContext, type OperationOptions } from './context.ts';
import type { Hooks } from './hooks.ts';

/** Characters of a task's result that are told. */
const LONGEST_TASK_RESULT = 500;

type Method = (...args: unknown[]) => unknown;

/** What wraps one method: the method itself, bound, and its arguments. */
type Wrap = (hooks: Hooks, method: Method, args: unknown[]) => Promise<unknown>;

const spawn: Wrap = async (hooks, method, args) => {
  const [first] = args;
  const role = textOf(first) || (isObject(first) ? textOf(first.role) : '');
  // Who it will be is not known before it is there.
  const agentId = randomUUID();
  const spawned = await hookContext(hooks, 'spawn_agent', lifecycle(agentId, { role }), () => method(...args));
  const realId = idOf(spawned) || agentId;
  await hooks.notification(realId, 'info', `Agent ${realId} started with role ${role || 'unknown'}`);
  return spawned;
};

const shutdown: Wrap = async (hooks, method, args) => {
  const [agent, graceful = true] = args;
  const agentId = idOf(agent);
  const ended = await hookContext(hooks, 'shutdown_agent', lifecycle(agentId, { agent_id: agentId, graceful }), () =>
    method(...args),
  );
  await hooks.stop(agentId, 'Agent shutdown requested', { graceful, time: new Date().toISOString() });
  return ended;
};

const execute: Wrap = (hooks, method, args) => {
  const [task, agent] = args;
  const taskId = idOf(task) || randomUUID();
  const options: OperationOptions = {
    agentId: idOf(agent) || (isObject(task) ? textOf(task.agentId) || textOf(task.agent_id) : ''),
    correlationId: taskId,
    priority: 3,
    operationType: 'task_execution',
    longestResult: LONGEST_TASK_RESULT,
    parameters: isObject(task) ? task : { task_id: taskId },
  };
  return hookContext(hooks, 'execute_task', options, () => method(...args));
};

const WRAPS: Readonly<Record<string, Wrap>> = {
  spawnAgent: spawn,
  spawn_agent: spawn,
  shutdownAgent: shutdown,
  shutdown_agent: shutdown,
  executeTask: execute,
  execute_task: execute,
};

export interface Hooked<T> {
  readonly orchestrator: T;
  /** Puts the very methods back that were there. */
  readonly restore: () => void;
}

/** Wraps those of `spawnAgent`, `shutdownAgent` and `executeTask` (also in snake case) that the object has; its verdicts are obeyed. */
export function withHooks<T extends object>(hooks: Hooks, orchestrator: T): Hooked<T> {
  const before = new Map<string, PropertyDescriptor | undefined>();
  for (const [name, wrap] of Object.entries(WRAPS)) {
    const method: unknown = Reflect.get(orchestrator, name);
    if (typeof method !== 'function') continue;
    before.set(name, Object.getOwnPropertyDescriptor(orchestrator, name));
    const bound: Method = (...args) => Reflect.apply(method, orchestrator, args);
    const value = (...args: unknown[]): unknown => (hooks.enabled ? wrap(hooks, bound, args) : bound(...args));
    Object.defineProperty(orchestrator, name, { value, configurable: true, writable: true, enumerable: false });
  }
  return {
    orchestrator,
    restore() {
      for (const [name, descriptor] of before) {
        if (descriptor) Object.defineProperty(orchestrator, name, descriptor);
        else Reflect.deleteProperty(orchestrator, name);
      }
      before.clear();
    },
  };
}

function lifecycle(agentId: string, parameters: Readonly<Record<string, unknown>>): OperationOptions {
  return { agentId, priority: 2, operationType: 'agent_lifecycle', parameters };
}

/** `'a'`, `{ id: 'a' }`, `{ agentId: 'a' }`. */
function idOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isObject(value)) return '';
  return textOf(value.id) || textOf(value.agentId) || textOf(value.agent_id) || textOf(value.task_id);
}

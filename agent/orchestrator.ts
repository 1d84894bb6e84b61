/** Methods of an orchestrator between hooks (spec leanvibe B10, L13, L41, L43). */
import { randomUUID } from 'node:crypto';

import { errorText, isObject, textOf } from '#core/light';

import { argumentsOf, flagIn, parametersOf, textAt } from './arguments.ts';
import { between } from './between.ts';
import type { Parameters } from './event.ts';
import type { HookedOrchestrator, Hooks } from './hooks.ts';
import { failure, type HookResult, type OnFailure } from './result.ts';

type Asking = Pick<Hooks, 'preToolUse' | 'postToolUse' | 'stop' | 'notification'>;
/** Runs the method itself, with these parameters. */
type Run = (parameters: Parameters) => unknown;
type Wrap = (hooks: Asking, parameters: Parameters, run: Run) => Promise<unknown>;

const WRAPS: ReadonlyMap<string, Wrap> = new Map([
  ['spawnAgent', spawn],
  ['spawn_agent', spawn],
  ['shutdownAgent', shutDown],
  ['shutdown_agent', shutDown],
  ['executeTask', execute],
  ['execute_task', execute],
]);
const LIFECYCLE = 'agent_lifecycle';
const TASK = 'task_execution';
const MAX_LIFECYCLE_RESULT = 1000;
const MAX_TASK_RESULT = 500;

const wrapped = new WeakSet<object>();

export function wrapOrchestrator(orchestrator: object, hooks: Hooks, onFailure: OnFailure): HookedOrchestrator {
  const known = [...WRAPS.keys()];
  const names = known.filter((name) => typeof methodOf(orchestrator, name) === 'function');
  if (names.length === 0)
    throw new TypeError(`the orchestrator has no method to wrap, expected one of ${known.join(', ')}`);
  if (wrapped.has(orchestrator)) throw new TypeError('the orchestrator is wrapped already, expected restore() before');
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(orchestrator, name)] as const);
  const asking = isolated(hooks, onFailure);
  const restore = (): void => {
    if (!wrapped.delete(orchestrator)) return;
    for (const [name, property] of before) {
      if (property === undefined) Reflect.deleteProperty(orchestrator, name);
      else Object.defineProperty(orchestrator, name, property);
    }
  };
  wrapped.add(orchestrator);
  try {
    for (const [name, wrap] of WRAPS) wrapMethod(orchestrator, name, (...called) => wrap(asking, ...called));
  } catch (error) {
    restore();
    throw error;
  }
  return { wrapped: names, restore, [Symbol.dispose]: restore };
}

function methodOf(orchestrator: object, name: string): unknown {
  return Reflect.get(orchestrator, name);
}

function wrapMethod(
  orchestrator: object,
  name: string,
  wrap: (parameters: Parameters, run: Run) => Promise<unknown>,
): void {
  const method = methodOf(orchestrator, name);
  if (typeof method !== 'function') return;
  const call = (...args: readonly unknown[]): Promise<unknown> => {
    const sent = parametersOf(args);
    return wrap(sent, (parameters) =>
      // What was not rewritten is handed on itself, no copy of it.
      Reflect.apply(method, orchestrator, parameters === sent ? args : argumentsOf(parameters, args)),
    );
  };
  const enumerable = Object.prototype.propertyIsEnumerable.call(orchestrator, name);
  Object.defineProperty(orchestrator, name, { value: call, configurable: true, enumerable, writable: true });
}

/** Whatever is wrong with an event, it is what happens without an answer. */
function isolated(hooks: Asking, onFailure: OnFailure): Asking {
  const safe = async (ask: () => Promise<HookResult>): Promise<HookResult> => {
    try {
      return await ask();
    } catch (error) {
      return failure(errorText(error), onFailure, 0);
    }
  };
  return {
    preToolUse: (use) => safe(() => hooks.preToolUse(use)),
    postToolUse: (result) => safe(() => hooks.postToolUse(result)),
    stop: (stopped) => safe(() => hooks.stop(stopped)),
    notification: (told) => safe(() => hooks.notification(told)),
  };
}

/** The agent has no name before it is there: the Pre has a random one, as LeanVibe's. */
async function spawn(hooks: Asking, parameters: Parameters, run: Run): Promise<unknown> {
  const acting = { ...sessionIn(parameters), agent: randomUUID(), correlation: randomUUID() };
  let agent: string = acting.agent;
  const step = {
    tool: 'spawn_agent',
    operation: LIFECYCLE,
    parameters,
    acting: { ...acting, priority: 2 },
    maxResult: MAX_LIFECYCLE_RESULT,
    agentAfter: (result: unknown) => (agent = nameOf(result) || agent),
  };
  const result = await between(hooks, step, run);
  const role = textOf(parameters.role) || textAt(parameters, 0) || 'unknown';
  const message = `Agent ${agent} started with role ${role}`;
  await hooks.notification({
    ...acting,
    agent,
    priority: 5,
    level: 'info',
    message,
    more: { operation_type: LIFECYCLE },
  });
  return result;
}

async function shutDown(hooks: Asking, parameters: Parameters, run: Run): Promise<unknown> {
  const agent = nameOf(parameters) || textAt(parameters, 0);
  const acting = { ...sessionIn(parameters), agent, correlation: randomUUID(), priority: 2 };
  const since = performance.now();
  const step = { tool: 'shutdown_agent', operation: LIFECYCLE, parameters, acting, maxResult: MAX_LIFECYCLE_RESULT };
  const result = await between(hooks, step, run);
  const graceful = parameters.graceful ?? flagIn(parameters) ?? true;
  const details = { graceful, execution_time_ms: performance.now() - since };
  await hooks.stop({ ...acting, reason: 'Agent shutdown requested', details, more: { operation_type: LIFECYCLE } });
  return result;
}

function execute(hooks: Asking, parameters: Parameters, run: Run): Promise<unknown> {
  const correlation = firstText(parameters, ['taskId', 'task_id', 'id']) || textAt(parameters, 0) || randomUUID();
  const agent = firstText(parameters, ['agentId', 'agent_id']) || textAt(parameters, 1);
  const acting = { ...sessionIn(parameters), agent, correlation, priority: 3 };
  return between(hooks, { tool: 'execute_task', operation: TASK, parameters, acting, maxResult: MAX_TASK_RESULT }, run);
}

/** An agent is its name, or an object that has one. */
function nameOf(agent: unknown): string {
  return isObject(agent) ? firstText(agent, ['agentId', 'agent_id', 'id']) : textOf(agent);
}

function sessionIn(parameters: Parameters): { readonly session?: string } {
  const session = firstText(parameters, ['sessionId', 'session_id', 'session']);
  return session === '' ? {} : { session };
}

function firstText(from: Readonly<Record<string, unknown>>, keys: readonly string[]): string {
  return keys.map((key) => textOf(from[key])).find((text) => text !== '') ?? '';
}

/** An operation between its two hooks: asked about before, told of afterwards (spec leanvibe B10, L13, L42). */
import { randomUUID } from 'node:crypto';

import { AppError, errorText } from '#core';

import type { HelperOptions, HookResult, Hooks, Priority } from './hooks.ts';

/** Characters of a result that are told. */
const LONGEST_RESULT = 1000;

export interface OperationOptions {
  readonly agentId: string;
  readonly sessionId?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly priority?: Priority;
  /** Default: a random one. */
  readonly correlationId?: string;
  /** Default: `context_managed`. */
  readonly operationType?: string;
  /** Characters of the result that are told. Default: 1000. */
  readonly longestResult?: number;
}

/** The verdict was that the operation shall not be. */
export class HookDenied extends AppError {
  readonly result: HookResult;

  constructor(name: string, result: HookResult) {
    super('POLICY_REFUSED', `${name} was not done: ${result.reason ?? 'a hook denied it'}`);
    this.result = result;
  }
}

/**
 * Runs `operation` if the hooks let it, with the input that they agreed on. Rejects with HookDenied, before anything was done, when
 * they do not; with what the operation threw, after that was told.
 */
export async function hookContext<T>(
  hooks: Hooks,
  name: string,
  options: OperationOptions,
  operation: (parameters: Readonly<Record<string, unknown>>) => T | Promise<T>,
): Promise<T> {
  const { agentId, parameters = {}, operationType = 'context_managed', longestResult = LONGEST_RESULT } = options;
  const shared: HelperOptions = {
    correlationId: options.correlationId ?? randomUUID(),
    payload: { operation_type: operationType },
    ...(options.sessionId === undefined ? {} : { sessionId: options.sessionId }),
  };
  const urgency = { priority: options.priority ?? 5 };
  const asked = await hooks.preToolUse(agentId, name, parameters, { ...shared, ...urgency });
  if (!asked.success) throw new HookDenied(name, asked);
  let result: T;
  try {
    result = await operation(asked.updatedInput ?? parameters);
  } catch (error) {
    await hooks.postToolUse(agentId, name, { success: false, error: errorText(error) }, { ...shared, priority: 1 });
    throw error;
  }
  await hooks.postToolUse(agentId, name, { result: shownResult(result, longestResult) }, { ...shared, ...urgency });
  return result;
}

/** 0, '' and false are results; only what is not there is null. */
function shownResult(result: unknown, longest: number): string | null {
  if (result === undefined || result === null) return null;
  const text = typeof result === 'string' ? result : (JSON.stringify(result) ?? typeof result);
  return text.slice(0, longest);
}

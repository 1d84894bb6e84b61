import { errorText } from '#core/light';

import { HookDenied } from './denied.ts';
import type { Parameters } from './event.ts';
import type { Acting, Hooks } from './hooks.ts';
import { bounded } from './json.ts';

/** Of what went wrong. */
const URGENT = 1;

/** What is done between a Pre and a Post. */
export interface Step {
  readonly tool: string;
  /** `operation_type` of both events. */
  readonly operation: string;
  readonly parameters: Parameters;
  readonly acting: Acting;
  /** Characters of the result that the Post has. */
  readonly maxResult: number;
  /** Whom the Post is about, where only the result says so. */
  readonly agentAfter?: (result: unknown) => string | undefined;
}

/**
 * Asks, runs, tells. Rejects with `HookDenied` before `run` when the hooks do not want it, and with what `run` throws. Once it has
 * run, no trouble of the hooks is its caller's.
 */
export async function between<T>(
  hooks: Pick<Hooks, 'preToolUse' | 'postToolUse'>,
  { tool, operation, parameters, acting, maxResult, agentAfter }: Step,
  run: (parameters: Parameters) => T | Promise<T>,
): Promise<T> {
  const more = { operation_type: operation };
  const asked = await hooks.preToolUse({ ...acting, tool, parameters, more });
  if (!asked.proceed) throw new HookDenied(tool, asked);
  const since = performance.now();
  const tell = async (told: object, who: Acting): Promise<void> => {
    const executionTimeMs = performance.now() - since;
    await hooks.postToolUse({ ...acting, ...who, tool, more, executionTimeMs, ...told }).catch(() => undefined);
  };
  let result: T;
  try {
    result = await run(asked.updatedInput ?? parameters);
  } catch (error) {
    await tell({ error: errorText(error) }, { priority: URGENT });
    throw error;
  }
  const { value: shown } = bounded(result, maxResult);
  const agent = agentAfter?.(result);
  await tell({ result: shown }, agent === undefined ? {} : { agent });
  return result;
}

import { randomUUID } from 'node:crypto';

import { errorText } from '#core/light';

import { between } from './between.ts';
import { SidecarClient } from './client.ts';
import { type HookEvent, type Parameters, wireForm } from './event.ts';
import type { ContextOptions, HookedOrchestrator, Hooks, Stopped, Told, ToolResult, ToolUse } from './hooks.ts';
import { bounded } from './json.ts';
import { type HooksOptions, parseOptions } from './options.ts';
import { wrapOrchestrator } from './orchestrator.ts';
import { DISABLED, failure, type HookResult, type OnFailure, parseAnswer } from './result.ts';

/** Characters of a result (spec leanvibe B2, B10). */
const MAX_RESULT = 100_000;
const MAX_CONTEXT_RESULT = 1000;

/** Throws `TypeError` for options that do not go together; does not look whether a sidecar is there. */
export function createHooks(options: HooksOptions = {}): Hooks {
  return new NodeHooks(options);
}

class NodeHooks implements Hooks {
  enabled: boolean;
  readonly #client: SidecarClient;
  readonly #onFailure: OnFailure;
  readonly #timeoutMs: number;

  constructor(options: HooksOptions) {
    const { place, onFailure, timeoutMs } = parseOptions(options);
    this.enabled = options.enabled ?? true;
    this.#client = new SidecarClient(place);
    this.#onFailure = onFailure;
    this.#timeoutMs = timeoutMs;
  }

  async processHook(event: HookEvent): Promise<HookResult> {
    if (!this.enabled) return DISABLED;
    const question = wireForm(event);
    const since = performance.now();
    try {
      const answer = await this.#client.ask(question, this.#timeoutMs);
      return parseAnswer(answer, performance.now() - since);
    } catch (error) {
      return failure(errorText(error), this.#onFailure, performance.now() - since);
    }
  }

  preToolUse({ tool, parameters = {}, more = {}, ...acting }: ToolUse): Promise<HookResult> {
    return this.processHook({ ...acting, hookType: 'PreToolUse', payload: { ...more, tool_name: tool, parameters } });
  }

  postToolUse({ tool, result, error, success, executionTimeMs, more, ...acting }: ToolResult): Promise<HookResult> {
    const { value, fullSize } = bounded(result, MAX_RESULT);
    const payload = {
      ...more,
      tool_name: tool,
      result: value,
      success: success ?? error === undefined,
      ...(error === undefined ? {} : { error }),
      ...(executionTimeMs === undefined ? {} : { execution_time_ms: executionTimeMs }),
      ...(fullSize === null ? {} : { result_truncated: true, full_result_size: fullSize }),
    };
    return this.processHook({ ...acting, hookType: 'PostToolUse', payload });
  }

  stop({ reason, details = {}, more, ...acting }: Stopped): Promise<HookResult> {
    return this.processHook({ ...acting, hookType: 'Stop', payload: { ...more, reason, details } });
  }

  notification({ level, message, details = {}, more, ...acting }: Told): Promise<HookResult> {
    return this.processHook({ ...acting, hookType: 'Notification', payload: { ...more, level, message, details } });
  }

  hookContext<T>(
    name: string,
    { parameters = {}, priority = 5, correlation = randomUUID(), ...acting }: ContextOptions,
    run: (parameters: Parameters) => T | Promise<T>,
  ): Promise<T> {
    const step = {
      tool: name,
      operation: 'context_managed',
      parameters,
      acting: { ...acting, priority, correlation },
      maxResult: MAX_CONTEXT_RESULT,
    };
    return between(this, step, run);
  }

  withHooks(orchestrator: object): HookedOrchestrator {
    return wrapOrchestrator(orchestrator, this, this.#onFailure);
  }

  close(): void {
    this.#client.close();
  }
}

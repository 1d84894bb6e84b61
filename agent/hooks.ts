/** Hooks of an agent: what it is about to do and has done, told to the node, and the node's verdict (spec leanvibe B1, L1–L3). */
import { AppError, errorText, HOOK_TYPES, type HookType, isObject, textOf } from '#core';

import { type Connection, createAsk } from './client.ts';

/** 1 is most urgent, 10 least. */
export type Priority = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

export interface HookEvent {
  readonly hookType: HookType;
  readonly agentId: string;
  readonly sessionId?: string;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly correlationId?: string;
  readonly priority?: Priority;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export const SECURITY_DECISIONS = ['ALLOW', 'REQUIRE_APPROVAL', 'DENY'] as const;
export type SecurityDecision = (typeof SECURITY_DECISIONS)[number];

export interface HookResult {
  /** Whether the operation may go on. */
  readonly success: boolean;
  readonly processingTimeMs: number;
  /** Why the node could not be asked; null: it was. */
  readonly error: string | null;
  /** Null: no hook had an opinion. */
  readonly decision: SecurityDecision | null;
  readonly reason: string | null;
  /** Id of the event in the history and the stream; null where the node was not asked. */
  readonly eventId: string | null;
  /** The tool's input in place of the agent's. */
  readonly updatedInput?: Readonly<Record<string, unknown>>;
}

export interface HooksOptions extends Connection {
  /** What a node that cannot be asked means: open, the operation goes on; closed, it does not. Default: open. */
  readonly onFailure?: 'open' | 'closed';
  /** Of every event that names none. */
  readonly sessionId?: string;
}

/** What the four helpers take beside their own arguments. */
export interface HelperOptions {
  readonly sessionId?: string;
  readonly correlationId?: string;
  readonly priority?: Priority;
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** Of what may be shown without having been asked. */
const OFF: HookResult = {
  success: true,
  processingTimeMs: 0,
  error: null,
  decision: null,
  reason: null,
  eventId: null,
};

export class Hooks {
  readonly #ask: ReturnType<typeof createAsk>;
  readonly #options: HooksOptions;
  /** False: nothing is told and everything goes on. */
  enabled = true;

  constructor(options: HooksOptions = {}) {
    this.#options = options;
    this.#ask = createAsk(options);
  }

  /**
   * Tells the node and waits for its verdict. Rejects with CONFIG_INVALID for an unknown hook type or priority; never for a node that
   * cannot be asked: `onFailure` decides.
   */
  async processHook(event: HookEvent): Promise<HookResult> {
    check(event);
    if (!this.enabled) return OFF;
    const startedAt = performance.now();
    try {
      return resultOf(await this.#ask(bodyOf(event, this.#options.sessionId)));
    } catch (error) {
      return this.#failed(error, performance.now() - startedAt);
    }
  }

  preToolUse(agentId: string, toolName: string, parameters: object, options: HelperOptions = {}): Promise<HookResult> {
    const payload = { tool_name: toolName, parameters, ...options.payload };
    return this.processHook({ hookType: 'PreToolUse', agentId, priority: 3, ...options, payload });
  }

  /** `error`: what went wrong, where `success` is false. */
  postToolUse(
    agentId: string,
    toolName: string,
    outcome: { readonly result?: unknown; readonly success?: boolean; readonly error?: string },
    options: HelperOptions = {},
  ): Promise<HookResult> {
    const { result = null, success = true, error = null } = outcome;
    const payload = { tool_name: toolName, result, success, error, ...options.payload };
    return this.processHook({ hookType: 'PostToolUse', agentId, priority: 3, ...options, payload });
  }

  stop(agentId: string, reason: string, details: object = {}, options: HelperOptions = {}): Promise<HookResult> {
    const payload = { reason, details, ...options.payload };
    return this.processHook({ hookType: 'Stop', agentId, priority: 2, ...options, payload });
  }

  notification(
    agentId: string,
    level: 'info' | 'warning' | 'error',
    message: string,
    options: HelperOptions = {},
  ): Promise<HookResult> {
    const payload = { level, message, ...options.payload };
    return this.processHook({ hookType: 'Notification', agentId, priority: 5, ...options, payload });
  }

  #failed(thrown: unknown, processingTimeMs: number): HookResult {
    const error = errorText(thrown);
    if (this.#options.onFailure !== 'closed') return { ...OFF, processingTimeMs, error };
    return { ...OFF, success: false, processingTimeMs, error, decision: 'DENY', reason: error };
  }
}

function check({ hookType, priority }: HookEvent): void {
  if (!HOOK_TYPES.includes(hookType))
    throw new AppError(
      'CONFIG_INVALID',
      `hookType is ${JSON.stringify(hookType)}, expected one of ${HOOK_TYPES.join(', ')}`,
    );
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 1 && priority <= 10))
    throw new AppError('CONFIG_INVALID', `priority is ${JSON.stringify(priority)}, expected 1 (most urgent) to 10`);
}

function bodyOf(event: HookEvent, sessionId: string | undefined): object {
  return {
    hook_type: event.hookType,
    agent_id: event.agentId,
    session_id: event.sessionId ?? sessionId ?? null,
    timestamp: new Date().toISOString(),
    payload: event.payload ?? {},
    correlation_id: event.correlationId ?? null,
    ...(event.priority === undefined ? {} : { priority: event.priority }),
    metadata: event.metadata ?? {},
  };
}

function resultOf(answer: Readonly<Record<string, unknown>>): HookResult {
  const decision = SECURITY_DECISIONS.find((known) => known === answer.security_decision) ?? null;
  const took = answer.processing_time_ms;
  return {
    success: answer.success === true,
    processingTimeMs: typeof took === 'number' ? took : 0,
    error: null,
    decision,
    reason: textOf(answer.blocked_reason) || null,
    eventId: textOf(answer.event_id) || null,
    ...(isObject(answer.updated_input) ? { updatedInput: answer.updated_input } : {}),
  };
}

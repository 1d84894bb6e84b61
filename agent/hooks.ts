import type { HookEvent, Parameters } from './event.ts';
import type { HookResult } from './result.ts';

/** Who acts. */
export interface Acting {
  readonly agent?: string;
  readonly session?: string;
  readonly correlation?: string;
  readonly priority?: number;
}

export interface ToolUse extends Acting {
  readonly tool: string;
  readonly parameters?: Parameters;
  /** More keys of the payload. */
  readonly more?: Parameters;
}

export interface ToolResult extends Acting {
  readonly tool: string;
  /** Anything; texts and JSON of more than 100,000 characters are cut, with `result_truncated` and `full_result_size`. */
  readonly result?: unknown;
  /** Default: true, and false where there is an `error`. */
  readonly success?: boolean;
  readonly error?: string;
  readonly executionTimeMs?: number;
  readonly more?: Parameters;
}

export interface Stopped extends Acting {
  readonly reason: string;
  readonly details?: Parameters;
  readonly more?: Parameters;
}

export interface Told extends Acting {
  readonly level: string;
  readonly message: string;
  readonly details?: Parameters;
  readonly more?: Parameters;
}

export interface ContextOptions extends Acting {
  readonly parameters?: Parameters;
}

/** The node's hooks for one agent program. Made by `createHooks`; may be used by many calls at a time. */
export interface Hooks {
  /** False: nothing is asked, nothing is told, everything goes on. Takes effect with the next call. */
  enabled: boolean;

  /** Asks or tells. Rejects with `TypeError` for an event that is none; all other trouble is in the result, as `onFailure` says. */
  processHook(event: HookEvent): Promise<HookResult>;

  /** Before a tool is used. Priority 3. */
  preToolUse(use: ToolUse): Promise<HookResult>;

  /** After it was. Priority 3. */
  postToolUse(result: ToolResult): Promise<HookResult>;

  /** The agent ends. Priority 2. */
  stop(stopped: Stopped): Promise<HookResult>;

  /** The agent says something. Priority 5. */
  notification(told: Told): Promise<HookResult>;

  /**
   * `run` between a Pre and a Post of one correlation, with the parameters as the hooks want them. Rejects with `HookDenied` when
   * they do not want it to run, and with what `run` throws. Priority 5, 1 when it throws.
   */
  hookContext<T>(name: string, options: ContextOptions, run: (parameters: Parameters) => T | Promise<T>): Promise<T>;

  /**
   * Wraps `spawnAgent`, `shutdownAgent` and `executeTask` (or `spawn_agent` …) of this object, as many as it has: they ask before
   * they run and tell afterwards, and return promises. Throws `TypeError` for an object with none, or wrapped already.
   */
  withHooks(orchestrator: object): HookedOrchestrator;

  /** Ends the connections. */
  close(): void;
}

/** An object whose methods ask. */
export interface HookedOrchestrator extends Disposable {
  /** The names of the wrapped methods. */
  readonly wrapped: readonly string[];
  /** Puts the very same methods back; calls that are under way end as they began. Idempotent. */
  readonly restore: () => void;
}

import {
  type ActionContext,
  type ActionDefinition,
  AppError,
  ATTRIBUTE,
  errorText,
  type Hook,
  hookId,
  Lifecycle,
  type Log,
  parseConfig,
  SPAN,
  startSpan,
} from '#core';

import type { HookFate } from '../config-client.ts';
import { compileHook } from '../router.ts';
import { createSlices } from '../slices.ts';
import type { HookSet } from './hook-set.ts';
import type { ActionInstance, HookRuntime } from './runtime.ts';

export interface HookLoaderOptions {
  readonly set: HookSet;
  readonly actions: ReadonlyMap<string, ActionDefinition>;
  /** The node's policy: action types that may run here. */
  readonly allowed: (type: string) => boolean;
  /** `until` aborts when the hook's actions have stopped. */
  readonly context: (hook: Hook, type: string, until: AbortSignal) => ActionContext;
  readonly log: Log;
}

type Slice = ReturnType<typeof createSlices>;

interface Given {
  readonly version: string;
  readonly hooks: readonly Hook[];
  /** Null: only the last good set, of which nothing more is known. */
  readonly known: ReadonlySet<string> | null;
  /** Hooks of it that could not be read. */
  readonly refused: readonly HookFate[];
}

interface Loaded {
  readonly runtime: HookRuntime | undefined;
  readonly failure: string | null;
  /** It may be otherwise later: an image was not there. */
  readonly retryable: boolean;
}

/** Makes a set of hooks run: a hook whose digest is unchanged is left alone, a broken one keeps its last good version. */
export class HookLoader {
  readonly #options: HookLoaderOptions;
  #given: Given = { version: '', hooks: [], known: null, refused: [] };
  #version = '';
  #fates: readonly HookFate[] = [];
  /** Why hooks failed that would fail again. */
  readonly #failures = new Map<Hook, string>();
  /** One set after the other. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: HookLoaderOptions) {
    this.#options = options;
  }

  /** The hooks that run: of a failed one, its last good version. */
  get running(): Hook[] {
    return this.#options.set.runtimes.map(({ hook }) => hook);
  }

  /** The version of a hook that runs. */
  runs(id: string): Hook | undefined {
    return this.#options.set.get(id)?.hook;
  }

  get held(): { readonly version: string; readonly fates: readonly HookFate[] } {
    return { version: this.#version, fates: this.#fates };
  }

  /** Makes the control plane's set run. `refused`: hooks of it that could not be read, which keep their last good version. */
  async apply(version: string, hooks: readonly Hook[], refused: readonly HookFate[]): Promise<readonly HookFate[]> {
    const known = new Set([...hooks, ...refused.map(({ hook }) => hook)].map(hookId));
    return this.#next({ version, hooks, known, refused });
  }

  /** Makes the last good set run, until the control plane says more. */
  async restore(version: string, hooks: readonly Hook[]): Promise<void> {
    await this.#next({ version, hooks, known: null, refused: [] });
  }

  /** Tries the hooks of the set again that failed for want of something that may be there now. Null: there is none. */
  async reload(): Promise<readonly HookFate[] | null> {
    return this.#exclusive(async () => {
      const isTried = this.#fates.some(({ failure }) => failure !== null);
      return isTried ? this.#replace(this.#given) : null;
    });
  }

  #next(given: Given): Promise<readonly HookFate[]> {
    return this.#exclusive(() => {
      this.#failures.clear();
      this.#given = given;
      return this.#replace(given);
    });
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#work.then(work);
    this.#work = next.catch(() => undefined);
    return next;
  }

  async #replace({ version, hooks, known, refused }: Given): Promise<readonly HookFate[]> {
    const { set, log } = this.#options;
    const span = startSpan(SPAN.configApply, {
      [ATTRIBUTE.configVersion]: version,
      [ATTRIBUTE.hookCount]: hooks.length,
    });
    const kept = refused.flatMap(({ hook }) => set.get(hookId(hook)) ?? []);
    const runtimes: HookRuntime[] = [];
    const fates: HookFate[] = [...refused];
    const slice = createSlices();
    for (const hook of hooks) {
      await slice();
      const { runtime, failure, retryable } = await this.#load(hook, slice);
      if (runtime) runtimes.push(runtime);
      if (failure !== null && !retryable) this.#failures.set(hook, failure);
      fates.push({ hook, failure });
    }
    await set.replace([...runtimes, ...kept], known);
    this.#version = version;
    this.#fates = fates;
    const failed = fates.filter(({ failure }) => failure !== null).length;
    log.info({ version, applied: fates.length - failed, failed }, 'hooks applied');
    span.end();
    return fates;
  }

  async #load(hook: Hook, slice: Slice): Promise<Loaded> {
    const running = this.#options.set.get(hookId(hook));
    if (running?.hook.digest === hook.digest) return { runtime: running, failure: null, retryable: false };
    const known = this.#failures.get(hook);
    if (known !== undefined) return { runtime: running, failure: known, retryable: false };
    try {
      return { runtime: await this.#create(hook, slice), failure: null, retryable: false };
    } catch (error) {
      this.#options.log.warn({ hook: hookId(hook), error: errorText(error) }, 'hook failed');
      const retryable = error instanceof AppError && error.retryable;
      return { runtime: running, failure: errorText(error), retryable };
    }
  }

  async #create(hook: Hook, slice: Slice): Promise<HookRuntime> {
    const compiled = await compileHook(hook, slice);
    const lives: Lifecycle[] = [];
    const actions: ActionInstance[] = [];
    const gone = new AbortController();
    const drain = async (deadline: AbortSignal): Promise<void> => {
      await Promise.all(lives.map((life) => life.drain(deadline)));
    };
    const stop = async (): Promise<void> => {
      await Promise.all(lives.map((life) => life.stop())).finally(() => gone.abort());
    };
    try {
      for (const [index, { type, config }] of hook.spec.actions.entries()) {
        const { action, places } = this.#action(hook, type, config, gone.signal);
        const life = new Lifecycle(`action(${type})`, action);
        lives.push(life);
        await life.start();
        actions.push({ index, type, action, places });
      }
    } catch (error) {
      await stop();
      throw error;
    }
    return { ...compiled, actions, drain, stop };
  }

  #action(hook: Hook, type: string, config: unknown, until: AbortSignal): Pick<ActionInstance, 'action' | 'places'> {
    const definition = this.#options.actions.get(type);
    if (!definition) throw new AppError('CONFIG_INVALID', `unknown action "${type}"`);
    if (!this.#options.allowed(type))
      throw new AppError('POLICY_REFUSED', `action "${type}" is not allowed by the policy of this node`);
    const parsed = parseConfig(definition.config, config, `action "${type}"`);
    const own = definition.places?.(parsed);
    return {
      action: definition.create(parsed, this.#options.context(hook, type, until)),
      places: own ? { of: `${type} ${own.of}`, count: own.count } : null,
    };
  }
}

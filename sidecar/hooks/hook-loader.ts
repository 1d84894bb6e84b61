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
  readonly context: (hook: Hook, type: string) => ActionContext;
  readonly log: Log;
}

type Slice = ReturnType<typeof createSlices>;

/** What a set has beside the hooks that are to be loaded. */
interface Beside {
  readonly kept: readonly HookRuntime[];
  readonly known: ReadonlySet<string> | null;
  readonly refused: readonly HookFate[];
}

/** Makes a set of hooks run: a hook whose digest is unchanged is left alone, a broken one keeps its last good version. */
export class HookLoader {
  readonly #options: HookLoaderOptions;
  #version = '';
  #fates: readonly HookFate[] = [];

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
    const kept = refused.flatMap(({ hook }) => this.#options.set.get(hookId(hook)) ?? []);
    const known = new Set([...hooks, ...refused.map(({ hook }) => hook)].map(hookId));
    return this.#replace(version, hooks, { kept, known, refused });
  }

  /** Makes the last good set run, until the control plane says more. */
  async restore(version: string, hooks: readonly Hook[]): Promise<void> {
    await this.#replace(version, hooks, { kept: [], known: null, refused: [] });
  }

  async #replace(
    version: string,
    hooks: readonly Hook[],
    { kept, known, refused }: Beside,
  ): Promise<readonly HookFate[]> {
    const { set, log } = this.#options;
    const span = startSpan(SPAN.configApply, {
      [ATTRIBUTE.configVersion]: version,
      [ATTRIBUTE.hookCount]: hooks.length,
    });
    const runtimes: HookRuntime[] = [];
    const fates: HookFate[] = [...refused];
    const slice = createSlices();
    for (const hook of hooks) {
      await slice();
      const { runtime, failure } = await this.#load(hook, slice);
      if (runtime) runtimes.push(runtime);
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

  async #load(hook: Hook, slice: Slice): Promise<{ runtime: HookRuntime | undefined; failure: string | null }> {
    const running = this.#options.set.get(hookId(hook));
    if (running?.hook.digest === hook.digest) return { runtime: running, failure: null };
    try {
      return { runtime: await this.#create(hook, slice), failure: null };
    } catch (error) {
      this.#options.log.warn({ hook: hookId(hook), error: errorText(error) }, 'hook failed');
      return { runtime: running, failure: errorText(error) };
    }
  }

  async #create(hook: Hook, slice: Slice): Promise<HookRuntime> {
    const compiled = await compileHook(hook, slice);
    const lives: Lifecycle[] = [];
    const actions: ActionInstance[] = [];
    const stop = async (): Promise<void> => {
      await Promise.all(lives.map((life) => life.stop()));
    };
    try {
      for (const [index, { type, config }] of hook.spec.actions.entries()) {
        const { action, places } = this.#action(hook, type, config);
        const life = new Lifecycle(`action(${type})`, action);
        lives.push(life);
        await life.start();
        actions.push({ index, type, action, places });
      }
    } catch (error) {
      await stop();
      throw error;
    }
    return { ...compiled, actions, stop };
  }

  #action(hook: Hook, type: string, config: unknown): Pick<ActionInstance, 'action' | 'places'> {
    const definition = this.#options.actions.get(type);
    if (!definition) throw new AppError('CONFIG_INVALID', `unknown action "${type}"`);
    if (!this.#options.allowed(type))
      throw new AppError('POLICY_REFUSED', `action "${type}" is not allowed by the policy of this node`);
    const parsed = parseConfig(definition.config, config, `action "${type}"`);
    const own = definition.places?.(parsed);
    return {
      action: definition.create(parsed, this.#options.context(hook, type)),
      places: own ? { of: `${type} ${own.of}`, count: own.count } : null,
    };
  }
}

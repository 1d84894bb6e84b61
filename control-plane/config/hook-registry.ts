import {
  AppError,
  type Component,
  createHook,
  type Hook,
  hookId,
  type Issue,
  type Log,
  nearest,
  type RefusedHook,
} from '#core';

import type { Override, Store } from '../store/types.ts';
import type { HookDirectory } from './hook-directory.ts';
import { createPushedSet, type PushedSet } from './hook-set.ts';
import { SecretReader } from './secrets.ts';

/** The hooks as sidecars shall have them, and what is to be said about them. */
export interface HookSnapshot {
  /** What sidecars get, with its version. */
  readonly set: PushedSet;
  readonly hooks: readonly Hook[];
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
  /** Ids of hooks that run on in an older version than their file has. */
  readonly kept: ReadonlySet<string>;
  /** By hook id; also of hooks that do not exist at the moment. */
  readonly overrides: ReadonlyMap<string, Override>;
  /** Why the hook directory cannot be read; null: it can. */
  readonly problem: string | null;
}

export interface HookRegistryOptions {
  readonly directory: HookDirectory;
  readonly store: Pick<Store, 'overrides' | 'setOverride'>;
  readonly log: Log;
}

/** The one place that knows which hooks are in effect: those of the directory under the administrator's overrides. */
export class HookRegistry implements Component {
  readonly #directory: HookDirectory;
  readonly #store: HookRegistryOptions['store'];
  readonly #log: Log;
  readonly #listeners = new Set<(snapshot: HookSnapshot) => void>();
  #overrides: ReadonlyMap<string, Override> = new Map();
  #snapshot: HookSnapshot;
  #secrets = new SecretReader();
  #unsubscribe: (() => void) | null = null;

  constructor({ directory, store, log }: HookRegistryOptions) {
    this.#directory = directory;
    this.#store = store;
    this.#log = log;
    this.#snapshot = this.#build();
  }

  get current(): HookSnapshot {
    const { problem } = this.#directory;
    return problem === this.#snapshot.problem ? this.#snapshot : { ...this.#snapshot, problem };
  }

  /** After the directory and the store have started. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#directory.onRead((isNews) => {
      if (isNews || this.#secrets.outdated) this.#refresh();
    });
    await this.#readOverrides();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#listeners.clear();
  }

  /** Called when hooks, refusals, secrets or overrides changed; returns the unsubscribe. */
  onChange(listener: (snapshot: HookSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The hook of this id. Throws NOT_FOUND, naming the nearest. */
  hook(id: string): Hook {
    const { hooks } = this.current;
    const found = hooks.find((hook) => hookId(hook) === id);
    if (found) return found;
    const near = nearest(id, hooks.map(hookId));
    throw new AppError('NOT_FOUND', `there is no hook "${id}"${near === undefined ? '' : `; did you mean "${near}"?`}`);
  }

  /** Switches a hook on or off whatever its file says; null lets the file decide again. Audited by the store. */
  async setOverride(id: string, enabled: boolean | null, who: string): Promise<void> {
    if (enabled !== null || !this.#overrides.has(id)) this.hook(id);
    await this.#store.setOverride(id, enabled, who);
    await this.#readOverrides();
  }

  async #readOverrides(): Promise<void> {
    this.#overrides = new Map((await this.#store.overrides()).map((override) => [override.hook, override]));
    this.#refresh();
  }

  #refresh(): void {
    this.#snapshot = this.#build();
    for (const { id, file, issues } of this.#snapshot.set.refused)
      this.#log.warn({ hook: id, file, problems: issues.map(({ message }) => message) }, 'hook refused');
    for (const listener of this.#listeners) listener(this.#snapshot);
  }

  #build(): HookSnapshot {
    const { refused, warnings, kept, hooks: read } = this.#directory.files;
    const hooks = read.map((hook) => overridden(hook, this.#overrides.get(hookId(hook))));
    this.#secrets = new SecretReader();
    const set = createPushedSet(hooks, this.#secrets);
    const left = new Set(set.refused.map(({ id }) => id));
    return {
      set,
      hooks: left.size === 0 ? hooks : hooks.filter((hook) => !left.has(hookId(hook))),
      refused: [...refused, ...set.refused],
      warnings: [...warnings, ...set.problems],
      kept,
      overrides: this.#overrides,
      problem: this.#directory.problem,
    };
  }
}

function overridden(hook: Hook, override: Override | undefined): Hook {
  if (!override || override.enabled === hook.spec.enabled) return hook;
  return createHook({ ...hook, spec: { ...hook.spec, enabled: override.enabled } });
}

import {
  AppError,
  type Component,
  createHook,
  type Hook,
  hookId,
  type Issue,
  type Log,
  nearest,
  refuseDuplicates,
  type RefusedHook,
} from '#core';

import type { Override, Store } from '../store/types.ts';
import type { HookFiles } from './hook-files.ts';
import { createPushedSet, type PushedSet } from './hook-set.ts';
import { type KagentSettings, kagentSettings, withKagent } from './kagent.ts';
import { withRecoveries } from './recoveries.ts';
import { type ClusterSecrets, SecretReader } from './secrets.ts';

/** The hooks as sidecars shall have them, and what is to be said about them. */
export interface HookSnapshot {
  /** What sidecars get, with its version. */
  readonly set: PushedSet;
  readonly hooks: readonly Hook[];
  /** The same by id. */
  readonly byId: ReadonlyMap<string, Hook>;
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
  /** Ids of hooks that run on in an older version than their file has. */
  readonly kept: ReadonlySet<string>;
  /** By hook id; also of hooks that do not exist at the moment. */
  readonly overrides: ReadonlyMap<string, Override>;
  /** Why the hook directory cannot be read; null: it can. */
  readonly problem: string | null;
}

/** Where hooks come from: a directory, the API server. */
export interface HookOrigin {
  /** The newest reading. */
  readonly files: HookFiles;
  /** Why it cannot be read; null: it can. Its hooks stay meanwhile. */
  readonly problem: string | null;
  /** Called after each reading, also those that say nothing new; returns the unsubscribe. */
  onRead(listener: (isNews: boolean) => void): () => void;
}

export interface HookRegistryOptions {
  /** Of hooks with one name in two of them the first's stays. */
  readonly origins: readonly HookOrigin[];
  readonly store: Pick<Store, 'overrides' | 'setOverride'>;
  readonly log: Log;
  /** Default: there are none. */
  readonly clusterSecrets?: ClusterSecrets;
  /** Default: as the action has it. */
  readonly kagent?: KagentSettings;
}

/** The one place that knows which hooks are in effect: those of all origins under the administrator's overrides. */
export class HookRegistry implements Component {
  readonly #origins: readonly HookOrigin[];
  readonly #store: HookRegistryOptions['store'];
  readonly #log: Log;
  readonly #kagent: KagentSettings;
  readonly #clusterSecrets: ClusterSecrets | undefined;
  readonly #listeners = new Set<(snapshot: HookSnapshot) => void>();
  #overrides: ReadonlyMap<string, Override> = new Map();
  #snapshot: HookSnapshot;
  #secrets: SecretReader;
  #unsubscribe: (() => void)[] = [];

  constructor({ origins, store, log, kagent = kagentSettings({}), clusterSecrets }: HookRegistryOptions) {
    this.#kagent = kagent;
    this.#clusterSecrets = clusterSecrets;
    this.#secrets = new SecretReader(clusterSecrets);
    this.#origins = origins;
    this.#store = store;
    this.#log = log;
    this.#snapshot = this.#build();
  }

  get current(): HookSnapshot {
    const problem = this.#problem;
    return problem === this.#snapshot.problem ? this.#snapshot : { ...this.#snapshot, problem };
  }

  get #problem(): string | null {
    return this.#origins.flatMap(({ problem }) => problem ?? []).join('; ') || null;
  }

  /** After the origins and the store have started. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#origins.map((origin) =>
      origin.onRead((isNews) => {
        if (isNews || this.#secrets.outdated) this.#refresh();
      }),
    );
    const unsubscribe = this.#clusterSecrets?.onChange(() => this.#refresh());
    if (unsubscribe) this.#unsubscribe.push(unsubscribe);
    await this.#readOverrides();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#listeners.clear();
  }

  /** Called when hooks, refusals, secrets or overrides changed; returns the unsubscribe. */
  onChange(listener: (snapshot: HookSnapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The hook of this id. Throws NOT_FOUND, naming the nearest. */
  hook(id: string): Hook {
    const { byId } = this.current;
    const found = byId.get(id);
    if (found) return found;
    const near = nearest(id, [...byId.keys()]);
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
    const files = this.#origins.map((origin) => origin.files);
    const unique = refuseDuplicates(files.flatMap(({ hooks }) => hooks));
    const hooks = unique.hooks.map((hook) => overridden(hook, this.#overrides.get(hookId(hook))));
    this.#secrets = new SecretReader(this.#clusterSecrets);
    const pushed = hooks.map((hook) => withKagent(hook, this.#kagent));
    const set = createPushedSet(withRecoveries(pushed), this.#secrets);
    const left = new Set(set.refused.map(({ id }) => id));
    const taken = left.size === 0 ? hooks : hooks.filter((hook) => !left.has(hookId(hook)));
    return {
      set,
      hooks: taken,
      byId: new Map(taken.map((hook) => [hookId(hook), hook])),
      refused: [...files.flatMap(({ refused }) => refused), ...unique.refused, ...set.refused],
      warnings: [...files.flatMap(({ warnings }) => warnings), ...set.problems],
      kept: new Set(files.flatMap(({ kept }) => Array.from(kept))),
      overrides: this.#overrides,
      problem: this.#problem,
    };
  }
}

function overridden(hook: Hook, override: Override | undefined): Hook {
  if (!override || override.enabled === hook.spec.enabled) return hook;
  return createHook({ ...hook, spec: { ...hook.spec, enabled: override.enabled } });
}

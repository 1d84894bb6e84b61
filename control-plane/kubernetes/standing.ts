/** How hooks stand on the nodes. What has not changed is looked up and not searched: a thousand hooks on a hundred nodes are asked for often. */
import { hookId, type RefusedHook } from '#core';

import type { HookSnapshot } from '../config/hook-registry.ts';
import type { AppliedHook, SidecarStatus } from '../config/sidecar-registry.ts';

export interface NodeStanding {
  readonly node: string;
  /** Undefined: it has not said yet what became of this version. */
  readonly applied: AppliedHook | undefined;
}

export class Standing {
  readonly #digests = new WeakMap<HookSnapshot['set'], ReadonlyMap<string, string>>();
  readonly #applied = new WeakMap<readonly AppliedHook[], ReadonlyMap<string, AppliedHook>>();
  readonly #refused = new WeakMap<readonly RefusedHook[], ReadonlyMap<string, readonly RefusedHook[]>>();

  /** Of one hook, on each of these sidecars. */
  on(sidecars: readonly SidecarStatus[], id: string, { set }: Pick<HookSnapshot, 'set'>): NodeStanding[] {
    const wanted = of(this.#digests, set, () => new Map(set.hooks.map((hook) => [hookId(hook), hook.digest]))).get(id);
    return sidecars.map(({ node, hooks }) => {
      const found = of(this.#applied, hooks, () => new Map(hooks.map((each) => [each.hook, each]))).get(id);
      return { node, applied: found?.digest === wanted ? found : undefined };
    });
  }

  /** Hooks of this file that all hooks together refuse. */
  refusedIn(file: string, { refused }: Pick<HookSnapshot, 'refused'>): readonly RefusedHook[] {
    return of(this.#refused, refused, () => Map.groupBy(refused, (one) => one.file)).get(file) ?? [];
  }
}

function of<K extends WeakKey, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

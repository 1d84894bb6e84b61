import type { Action, Component } from '#core';

import type { RoutedHook } from '../router.ts';

/** One action of a hook, started. */
export interface ActionInstance {
  readonly index: number;
  readonly type: string;
  readonly action: Action;
}

/** One version of a hook that runs: compiled, its actions started. */
export interface HookRuntime extends RoutedHook, Component {
  readonly actions: readonly ActionInstance[];
}

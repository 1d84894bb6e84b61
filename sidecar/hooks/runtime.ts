import type { Action, AttemptRecord, Clock, Component, Hook, Log, TrotlineEvent } from '#core';

import type { BootClock } from '../boottime.ts';
import type { Claims } from '../claims/claims.ts';
import type { Groups } from '../groups.ts';
import type { Entry } from '../journal/entry.ts';
import type { Journal } from '../journal/journal.ts';
import type { Places } from '../places.ts';
import type { RoutedHook } from '../router.ts';

/** One action of a hook, started. */
export interface ActionInstance {
  readonly index: number;
  readonly type: string;
  readonly action: Action;
  /** Whose places its attempts need; null: they need none. */
  readonly places: { readonly of: string; readonly count: number } | null;
}

/** One version of a hook that runs: compiled, its actions started. */
export interface HookRuntime extends RoutedHook, Component {
  readonly actions: readonly ActionInstance[];
}

/** What working on entries takes. */
export interface RunnerDeps {
  readonly journal: Journal;
  readonly claims: Pick<Claims, 'claim'>;
  readonly groups: Pick<Groups, 'join' | 'joinLoop'>;
  readonly places: Places;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly log: Log;
  /** An entry has its outcome. */
  readonly onFinal: () => void;
  /** A hook does not answer this consequence of what an agent changed. */
  readonly onLoop: (hook: Hook, event: TrotlineEvent, depth: number) => void;
  /** A pending entry waits for something worth telling. */
  readonly onProgress: (
    entry: Entry,
    attempts: readonly AttemptRecord[],
    waitsFor: string,
    nextAttemptMs: number,
  ) => void;
}

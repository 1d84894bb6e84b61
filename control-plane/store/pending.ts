/** How pending events stand, in memory only and in brief: what sidecars last said, until the outcome. */
import type { ReportBatch } from '#core';

import { briefAttempt } from './brief.ts';
import type { EventQuery, EventSummary, HookOutcome } from './types.ts';

/** Events beyond this many push out the oldest: a sidecar that is gone for good leaves its progress behind. */
const MAX_EVENTS = 50_000;

export interface Pending {
  /** After the batch was stored. */
  update(batch: ReportBatch): void;
  /** Events that a hook and outcome of `query` match because the hook is pending. */
  idsOf(query: Pick<EventQuery, 'hook' | 'outcome'>): string[];
  /** Adds the pending hooks to what is stored. */
  merge<T extends EventSummary>(stored: T): T;
}

/** `now`: wall clock, milliseconds. */
export function createPending(now: () => number): Pending {
  const events = new Map<string, Map<string, HookOutcome>>();

  return {
    update({ progress, outcomes }) {
      for (const { eventId, hook, attempts, waitsFor, nextAttemptMs } of progress) {
        const hooks = events.get(eventId) ?? new Map<string, HookOutcome>();
        const common = { reason: '', uncoordinated: false, timeMs: now() };
        hooks.set(hook, {
          hook,
          outcome: 'pending',
          ...common,
          attempts: attempts.map(briefAttempt),
          waitsFor,
          nextAttemptMs,
        });
        events.set(eventId, hooks);
      }
      for (const { eventId, hook } of outcomes) {
        const hooks = events.get(eventId);
        hooks?.delete(hook);
        if (hooks?.size === 0) events.delete(eventId);
      }
      for (const id of events.keys()) {
        if (events.size <= MAX_EVENTS) break;
        events.delete(id);
      }
    },
    idsOf({ hook, outcome }) {
      if (outcome !== undefined && outcome !== 'pending') return [];
      const ids = [...events.keys()];
      return hook === undefined ? ids : ids.filter((id) => events.get(id)?.has(hook));
    },
    merge(stored) {
      const hooks = events.get(stored.id);
      return hooks ? { ...stored, hooks: [...stored.hooks, ...hooks.values()] } : stored;
    },
  };
}

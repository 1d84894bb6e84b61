/** What an event has in common with others: it is one of many (`group`), or follows from what an agent changed (`loop`). */
import { loopOf, type TrotlineEvent } from '#core';

import type { Grant } from '../claims/claims.ts';
import type { Joined, Membership } from '../groups.ts';
import { underBoth } from '../waiting.ts';
import type { TurnOptions } from './turn.ts';

export interface Standing {
  /** As the actions are told of it. */
  readonly event: TrotlineEvent;
  readonly group: Membership | null;
  readonly loop: Joined | null;
  /** Why the hook does not answer it at all; null: it may. */
  readonly refused: 'incident-limit' | 'loop' | null;
}

/** An event that stands alone costs nothing. */
export function standsAlone({ runtime: { hook } }: Pick<TurnOptions, 'runtime'>, event: TrotlineEvent): boolean {
  return !hook.spec.group && depthOf(event) === 0;
}

/** Told before it waits for anything, so that whoever answers knows of it. Rejects with the signal's reason. */
export async function join(
  { deps: { groups, onLoop }, runtime: { hook }, entry }: TurnOptions,
  event: TrotlineEvent,
  signal: AbortSignal,
): Promise<Standing> {
  const depth = depthOf(event);
  const begun = entry.attempts.length > 0;
  const loop = depth > 0 ? await groups.joinLoop(hook, event, signal) : null;
  if (loop && !begun && (loop.limited || depth > loopOf(hook.spec).depth)) {
    onLoop(hook, event, Math.max(depth, loop.opened));
    return { event, group: null, loop, refused: 'loop' };
  }
  // Agents that do not say how deep they are, are counted.
  const told = loop ? { ...event, attributes: { ...event.attributes, depth: Math.max(depth, loop.opened) } } : event;
  const group = hook.spec.group ? await groups.join(hook, event, signal) : null;
  return { event: told, group, loop, refused: group?.limited && !begun ? 'incident-limit' : null };
}

/** Tells that it is answered. */
export async function answered({ group, loop }: Standing, windowMs: number): Promise<void> {
  await Promise.all([group?.answered(windowMs), loop?.answered(windowMs)]);
}

/**
 * The event with `group.count` and `group.members`, after the hook's `wait`; null: the key was lost meanwhile. Rejects with the
 * reason of `quit`. A later round does not wait again.
 */
export async function withAffected(
  { deps: { clock }, runtime, entry, quit }: TurnOptions,
  event: TrotlineEvent,
  grant: Grant,
  group: Membership,
): Promise<TrotlineEvent | null> {
  const wait = entry.attempts.length > 0 ? 0 : (runtime.hook.spec.group?.wait ?? 0);
  const leftMs = wait - (clock.monotonic() - group.joinedAt);
  if (leftMs > 0)
    await underBoth(quit, grant.lost, (signal) => clock.sleep(leftMs, signal)).catch(() => quit.throwIfAborted());
  if (grant.lost.aborted) return null;
  const { count, members } = await group.affected();
  return {
    ...event,
    attributes: { ...event.attributes, 'group.count': count, 'group.members': members.join('\n') },
  };
}

function depthOf({ attributes: { depth } }: TrotlineEvent): number {
  return typeof depth === 'number' ? depth : 0;
}

/** What a hook with `group` does between its claim and its attempts: it waits for the others, and tells of all. */
import type { TrotlineEvent } from '#core';

import type { Grant } from '../claims/claims.ts';
import type { Membership } from '../groups.ts';
import { underBoth } from '../waiting.ts';
import type { TurnOptions } from './turn.ts';

/**
 * The event with `group.count` and `group.members`, after the hook's `wait`; null: the key was lost meanwhile. Rejects with the
 * reason of `quit`. A later round does not wait again.
 */
export async function withAffected(
  { deps: { clock }, runtime, entry, quit }: TurnOptions,
  event: TrotlineEvent,
  grant: Grant,
  member: Membership,
): Promise<TrotlineEvent | null> {
  const wait = entry.attempts.length > 0 ? 0 : (runtime.hook.spec.group?.wait ?? 0);
  const leftMs = wait - (clock.monotonic() - member.joinedAt);
  if (leftMs > 0)
    await underBoth(quit, grant.lost, (signal) => clock.sleep(leftMs, signal)).catch(() => quit.throwIfAborted());
  if (grant.lost.aborted) return null;
  const { count, members } = await member.affected();
  return {
    ...event,
    attributes: { ...event.attributes, 'group.count': count, 'group.members': members.join('\n') },
  };
}

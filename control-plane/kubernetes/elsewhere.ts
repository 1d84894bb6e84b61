/** Whether another program, khook above all, answers the same Hooks: it writes their status after we did. */
import { type Clock, objectOf, textOf } from '#core';

/** Who writes a status for us; the API server notes it beside each field. */
export const FIELD_MANAGER = 'trotline';

/** The other's last write is news for so long. */
const REMEMBERED_MS = 600_000;
/** A status that the other replaced is written again at most so often. */
const RESTORE_MS = 60_000;

/** The newest one beside us who wrote the status since our own last write; '' nobody did. Times are as in `managedFields`, to the second. */
export function laterWriter(managedFields: unknown): string {
  const entries = (Array.isArray(managedFields) ? managedFields : [])
    .map(objectOf)
    .filter(({ fieldsV1 }) => objectOf(fieldsV1)['f:status'] !== undefined)
    .map(({ manager, time }) => ({ manager: textOf(manager), time: textOf(time) }));
  const own = entries.find(({ manager }) => manager === FIELD_MANAGER);
  if (!own) return '';
  const later = entries.filter(({ manager, time }) => manager !== FIELD_MANAGER && time > own.time);
  return later.toSorted((a, b) => (a.time < b.time ? 1 : -1))[0]?.manager ?? '';
}

export class Elsewhere {
  readonly #clock: Clock;
  /** By uid, in monotonic milliseconds. */
  readonly #seen = new Map<string, { readonly manager: string; readonly until: number; readonly restoredAt: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a reading says of a resource. True: its status is to be written again, even if it says what it said. */
  read(uid: string, manager: string): boolean {
    const now = this.#clock.monotonic();
    const before = this.#seen.get(uid);
    if (manager === '') {
      if (before && before.until <= now) this.#seen.delete(uid);
      return false;
    }
    const isDue = !before || now - before.restoredAt >= RESTORE_MS;
    this.#seen.set(uid, { manager, until: now + REMEMBERED_MS, restoredAt: isDue ? now : before.restoredAt });
    return isDue;
  }

  /** Who else wrote the status of late; '' nobody. */
  writer(uid: string): string {
    return this.#seen.get(uid)?.manager ?? '';
  }

  forget(uid: string): void {
    this.#seen.delete(uid);
  }
}

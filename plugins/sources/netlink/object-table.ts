import type { AddressRecord, NeighbourRecord, RouteRecord, RuleRecord } from '#native';

import { type Change, changedNames, FAMILIES, withoutMessage } from './change.ts';

export type ObjectOf = AddressRecord | NeighbourRecord | RouteRecord | RuleRecord;

export type Verb = 'added' | 'deleted' | 'changed';

/** What one family's records are about. */
export interface FamilyRules<R extends ObjectOf> {
  readonly family: R['kind'];
  /** RTM_NEW…; the number of the removal is the next one. */
  readonly newMessage: number;
  /** Equal for the same object. */
  readonly keyOf: (record: R) => string;
  /** Equal for the objects that a message with NLM_F_REPLACE may replace. */
  readonly placeOf?: (record: R) => string;
  /** What is left of a known object after a removal that was of a part of it; undefined: nothing. */
  readonly remainder?: (known: R, removed: R) => R | undefined;
  /** What may change on an object, and how `changed` calls it. */
  readonly watched: readonly (readonly [keyof R, string])[];
  /** Of those, what changes by itself, so that a dump differs without a message. */
  readonly drifting?: ReadonlySet<keyof R>;
  /** What a dump lists and no message tells of: passed over, where it is not known. */
  readonly untold?: (record: R) => boolean;
  readonly describe: (record: R, changed: string | undefined) => Pick<Change, 'subject' | 'ifname' | 'attributes'>;
}

/** NLM_F_REPLACE */
const REPLACE = 0x100;

/** The last known state of every object of a family in one network namespace, and what a record means against it (spec nlmon A10.14). */
export class ObjectTable<R extends ObjectOf> {
  readonly #rules: FamilyRules<R>;
  readonly #objects = new Map<string, R>();
  /** Keys of the objects of one place, in the order in which they came. */
  readonly #places = new Map<string, Set<string>>();
  readonly #compared: readonly (readonly [keyof R, string])[];
  /** Every object that exists is known: one that is not is new. */
  #complete: boolean;
  /** While a dump runs: objects that it listed or that were told of meanwhile. */
  #seen: Set<string> | null = null;

  /** `complete`: nothing existed before, or all that does shall be told. */
  constructor(rules: FamilyRules<R>, complete: boolean) {
    this.#rules = rules;
    this.#complete = complete;
    this.#compared = rules.watched.filter(([key]) => !rules.drifting?.has(key));
  }

  get size(): number {
    return this.#objects.size;
  }

  /** What is known, each as if it were new. */
  *objects(): Generator<Change> {
    for (const record of this.#objects.values()) yield withoutMessage(this.#change('added', record));
  }

  /** A notification: exactly one change. */
  notified(record: R): Change {
    const key = this.#rules.keyOf(record);
    this.#seen?.add(key);
    const before = this.#objects.get(key);
    if (record.messageType !== this.#rules.newMessage) {
      const left = before && this.#rules.remainder?.(before, record);
      if (left) this.#objects.set(key, left);
      else this.#forget(key);
      return this.#change('deleted', record);
    }
    const replaced = before ?? this.#replacedBy(record);
    this.#keep(key, record);
    if (!replaced) return this.#change('added', record);
    return this.#change('changed', record, changedNames(replaced, record, this.#rules.watched));
  }

  beginDump(): void {
    this.#seen = new Set();
  }

  /** A row of a dump: a change only where it differs from what was known. */
  dumped(record: R): Change[] {
    const key = this.#rules.keyOf(record);
    // A row may be older than the notification that stands before it.
    if (this.#seen?.has(key)) return [];
    this.#seen?.add(key);
    const before = this.#objects.get(key);
    if (!before && this.#rules.untold?.(record)) return [];
    this.#keep(key, record);
    if (!before) return this.#complete ? [this.#change('added', record)] : [];
    const changed = changedNames(before, record, this.#compared);
    return changed === '' ? [] : [this.#change('changed', record, changed)];
  }

  /** The dump could not list these objects, and proves nothing of them. */
  giveUpDump(): void {
    this.#seen = null;
  }

  /** The dump was whole: what it did not list is gone. */
  endDump(): Change[] {
    const seen = this.#seen;
    this.#seen = null;
    this.#complete = true;
    return this.#remove((key) => !seen?.has(key));
  }

  /** The namespace is gone, and all that was in it. */
  clear(): Change[] {
    return this.#remove(() => true);
  }

  #remove(isGone: (key: string) => boolean): Change[] {
    const gone = [...this.#objects].filter(([key]) => isGone(key));
    for (const [key] of gone) this.#forget(key);
    return gone.map(([, record]) => withoutMessage(this.#change('deleted', record)));
  }

  /** The object that the kernel put this one in the place of: it says so, but not which it was: the first is taken. */
  #replacedBy(record: R): R | undefined {
    const { placeOf } = this.#rules;
    if (!placeOf || (record.messageFlags & REPLACE) === 0) return undefined;
    const [key] = this.#places.get(placeOf(record)) ?? [];
    if (key === undefined) return undefined;
    const replaced = this.#objects.get(key);
    this.#forget(key);
    return replaced;
  }

  #keep(key: string, record: R): void {
    this.#objects.set(key, record);
    const place = this.#rules.placeOf?.(record);
    if (place === undefined) return;
    const keys = this.#places.get(place);
    if (keys) keys.add(key);
    else this.#places.set(place, new Set([key]));
  }

  #forget(key: string): void {
    const record = this.#objects.get(key);
    if (!record) return;
    this.#objects.delete(key);
    const place = this.#rules.placeOf?.(record);
    if (place === undefined) return;
    const keys = this.#places.get(place);
    keys?.delete(key);
    if (keys?.size === 0) this.#places.delete(place);
  }

  #change(verb: Verb, record: R, changed?: string): Change {
    const { family, newMessage, describe } = this.#rules;
    return {
      type: `${FAMILIES[family].name}-${verb}`,
      family,
      messageType: verb === 'deleted' ? newMessage + 1 : newMessage,
      repeats: changed === '',
      ...describe(record, changed),
    };
  }
}

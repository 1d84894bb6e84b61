/** Signs that an agent made or changed an object: what an answer led to is not to be answered without end. */
import { objectOf } from '#core';

type Json = Readonly<Record<string, unknown>>;

/** Written by agents that are told how deep they are, and by those of khook. */
const DEPTH = 'trotline.dev/depth';
const FIX = 'kagentFix';
const DEEPEST = 1000;
/** Managers of every pod and owner, which say nothing. */
const CLUSTER = /^(kubelet|kube-)/;

/** What an object says of who changed it. */
export interface Marks {
  /** Of its annotations; 0: none of them says so. */
  readonly depth: number;
  readonly annotation: string;
  readonly managers: readonly { readonly name: string; readonly at: number }[];
}

/** That an agent had its hand in it. */
export interface Change {
  /** `annotation kagentFix`, `field manager kagent-tools`. */
  readonly by: string;
  /** At least 1. */
  readonly depth: number;
}

export interface Agents {
  /** Beginnings of the names of field managers. */
  readonly managers: readonly string[];
  /** A change by a manager that is older explains nothing. */
  readonly withinMs: number;
}

export function marksOf({ annotations, managedFields }: Json): Marks {
  const written = objectOf(annotations);
  const deep = Number(written[DEPTH]);
  const depth = Number.isInteger(deep) && deep > 0 ? Math.min(deep, DEEPEST) : 0;
  const fixed = typeof written[FIX] === 'string' && written[FIX] !== '' && written[FIX] !== 'false';
  const managers = (Array.isArray(managedFields) ? managedFields : []).flatMap((entry: unknown) => {
    const { manager, time } = objectOf(entry);
    if (typeof manager !== 'string' || CLUSTER.test(manager)) return [];
    return [{ name: manager, at: typeof time === 'string' ? Date.parse(time) : Number.NaN }];
  });
  return { depth: depth || Number(fixed), annotation: depth > 0 ? DEPTH : fixed ? FIX : '', managers };
}

/** The deepest of these marks; null: no agent changed any of the objects. */
export function changeOf(marks: readonly Marks[], { managers, withinMs }: Agents, now: number): Change | null {
  const changes = marks.flatMap((each): Change[] => {
    const manager = each.managers.find(
      ({ name, at }) => now - at <= withinMs && managers.some((agent) => name.toLowerCase().startsWith(agent)),
    );
    return [
      ...(each.depth > 0 ? [{ by: `annotation ${each.annotation}`, depth: each.depth }] : []),
      ...(manager ? [{ by: `field manager ${manager.name}`, depth: 1 }] : []),
    ];
  });
  return changes.reduce<Change | null>(
    (deepest, each) => (deepest && deepest.depth >= each.depth ? deepest : each),
    null,
  );
}

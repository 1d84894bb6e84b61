import type { Attributes } from '#core';

import type { eventTypes } from '../config.ts';
import type { ContainerView, Identity, PodView } from '../objects.ts';

export type FactType = (typeof eventTypes)[number] extends `kubernetes.${infer Short}` ? Short : never;

/** Something that is so, whoever tells it. */
export interface Fact {
  readonly type: FactType;
  /** Made of nothing but the fact, so that all who see it call it the same. */
  readonly id: string;
  /** When it became so, milliseconds since the epoch. */
  readonly at: number;
  /** What it is about. */
  readonly about: Identity;
  readonly attributes: Attributes;
  /** Which pod it is of, for owner and labels; null: of none. */
  readonly pod: PodView | null;
}

/** Parts of an id, with what ids may not hold taken out. */
export function factId(...parts: readonly (string | number)[]): string {
  return parts.map((part) => String(part).replaceAll(/[^A-Za-z0-9_-]/g, '_')).join('.');
}

/** A fact of one container. */
export function containerFact(
  type: FactType,
  pod: PodView,
  container: ContainerView,
  { id, at, ...attributes }: { id: string; at: number } & Attributes,
): Fact {
  const { name, kind, image, restartCount } = container;
  const own = { container: name, container_kind: kind, image, restart_count: restartCount, fault: true };
  return { type, id, at, about: pod, pod, attributes: { ...own, ...attributes } };
}

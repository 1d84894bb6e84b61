/** The API server's objects as far as this source reads them: parsed once, and small, for thousands are kept. */
import { isObject, objectOf, textOf } from '#core';

import { type Marks, marksOf } from './marks.ts';

/** What every object has. */
export interface Identity {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** The object that made another one, as `metadata.ownerReferences` names its controller. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface Terminated {
  /** `containerd://…`; '' where the kubelet had none to tell. */
  readonly containerId: string;
  readonly exitCode: number;
  readonly signal: number;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; null where it was not told. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

export type ContainerKind = 'container' | 'init' | 'ephemeral';

export interface ContainerView {
  readonly kind: ContainerKind;
  readonly name: string;
  /** As the spec asks for it. */
  readonly image: string;
  /** It is to be started again whatever its end (a container of a pod, or an init container that stays). */
  readonly restartsAlways: boolean;
  readonly restartCount: number;
  readonly ready: boolean;
  readonly running: boolean;
  /** When it was started, where it runs. */
  readonly startedAt: number | null;
  /** Null: it does not wait. */
  readonly waiting: { readonly reason: string; readonly message: string } | null;
  /** The end that is told as the present state, and the one before. */
  readonly ended: Terminated | null;
  readonly lastEnded: Terminated | null;
}

export interface Condition {
  readonly type: string;
  /** True, False or Unknown. */
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly since: number | null;
}

export interface PodView extends Identity {
  readonly createdAt: number | null;
  readonly deleting: boolean;
  readonly nodeName: string;
  /** `app=web,tier=front`, sorted. */
  readonly labels: string;
  readonly owner: OwnerReference | null;
  readonly marks: Marks;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly containers: readonly ContainerView[];
  readonly conditions: readonly Condition[];
}

export interface NodeView extends Identity {
  readonly createdAt: number | null;
  readonly conditions: readonly Condition[];
}

/** One Event object, core/v1 (an Event made in events.k8s.io reads the same there). */
export interface EventView extends Identity {
  /** Normal or Warning. */
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly involved: Identity & { readonly apiVersion: string; readonly fieldPath: string };
  readonly count: number;
  readonly series: number;
  /** When it happened last, milliseconds. */
  readonly at: number;
}

type Json = Readonly<Record<string, unknown>>;
const NOTHING: Json = {};

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter((item) => isObject(item)) : [];
}

/** RFC 3339 → milliseconds; null for none, and for the year 1970, which kubelets write for what they do not know. */
function timeOf(value: unknown): number | null {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) || time < 86_400_000 ? null : time;
}

export function identityOf(object: Json, kind = textOf(object.kind)): Identity {
  const metadata = objectOf(object.metadata);
  return {
    kind,
    namespace: textOf(metadata.namespace),
    name: textOf(metadata.name),
    uid: textOf(metadata.uid),
    resourceVersion: textOf(metadata.resourceVersion),
  };
}

/** The controller among the owners of an object. */
export function ownerOf(object: Json): OwnerReference | null {
  const owner = listOf(objectOf(object.metadata).ownerReferences).find(({ controller }) => controller === true);
  if (!owner) return null;
  return {
    apiVersion: textOf(owner.apiVersion),
    kind: textOf(owner.kind),
    name: textOf(owner.name),
    uid: textOf(owner.uid),
  };
}

export function podOf(object: Json): PodView {
  const metadata = objectOf(object.metadata);
  const spec = objectOf(object.spec);
  const status = objectOf(object.status);
  return {
    ...identityOf(object, 'Pod'),
    createdAt: timeOf(metadata.creationTimestamp),
    deleting: metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    nodeName: textOf(spec.nodeName),
    labels: labelsOf(metadata.labels),
    owner: ownerOf(object),
    marks: marksOf(metadata),
    phase: textOf(status.phase),
    reason: textOf(status.reason),
    message: textOf(status.message),
    containers: [
      ...containersOf('init', spec.initContainers, status.initContainerStatuses, false),
      ...containersOf(
        'container',
        spec.containers,
        status.containerStatuses,
        spec.restartPolicy !== 'Never' && spec.restartPolicy !== 'OnFailure',
      ),
      ...containersOf('ephemeral', spec.ephemeralContainers, status.ephemeralContainerStatuses, false),
    ],
    conditions: conditionsOf(status),
  };
}

function labelsOf(labels: unknown): string {
  return Object.entries(objectOf(labels))
    .map(([key, value]) => `${key}=${textOf(value)}`)
    .sort()
    .join(',');
}

/** Those that have a status: a container without one has not been tried yet, or is not told of any more. */
function containersOf(
  kind: ContainerKind,
  specs: unknown,
  statuses: unknown,
  restartsAlways: boolean,
): ContainerView[] {
  const wanted = new Map(listOf(specs).map((spec) => [textOf(spec.name), spec]));
  return listOf(statuses).map((status) => {
    const name = textOf(status.name);
    const spec = wanted.get(name) ?? NOTHING;
    const state = objectOf(status.state);
    const waiting = isObject(state.waiting) ? state.waiting : null;
    return {
      kind,
      name,
      image: textOf(spec.image) || textOf(status.image),
      restartsAlways: restartsAlways || spec.restartPolicy === 'Always',
      restartCount: numberOf(status.restartCount),
      ready: status.ready === true,
      running: isObject(state.running),
      startedAt: timeOf(objectOf(state.running).startedAt),
      waiting: waiting && { reason: textOf(waiting.reason), message: textOf(waiting.message) },
      ended: terminatedOf(state.terminated),
      lastEnded: terminatedOf(objectOf(status.lastState).terminated),
    };
  });
}

function terminatedOf(value: unknown): Terminated | null {
  if (!isObject(value)) return null;
  return {
    containerId: textOf(value.containerID),
    exitCode: numberOf(value.exitCode),
    signal: numberOf(value.signal),
    reason: textOf(value.reason),
    message: textOf(value.message),
    startedAt: timeOf(value.startedAt),
    finishedAt: timeOf(value.finishedAt),
  };
}

function conditionsOf(status: Json): Condition[] {
  return listOf(status.conditions).map((condition) => ({
    type: textOf(condition.type),
    status: textOf(condition.status),
    reason: textOf(condition.reason),
    message: textOf(condition.message),
    since: timeOf(condition.lastTransitionTime),
  }));
}

export function conditionOf({ conditions }: PodView | NodeView, type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

export function nodeOf(object: Json): NodeView {
  const { creationTimestamp } = objectOf(object.metadata);
  return {
    ...identityOf(object, 'Node'),
    createdAt: timeOf(creationTimestamp),
    conditions: conditionsOf(objectOf(object.status)),
  };
}

export function eventOf(object: Json): EventView {
  const involved = objectOf(object.involvedObject);
  const series = objectOf(object.series);
  const times = [series.lastObservedTime, object.lastTimestamp, object.eventTime, object.firstTimestamp];
  const at = times.map(timeOf).filter((time) => time !== null);
  return {
    ...identityOf(object, 'Event'),
    type: textOf(object.type),
    reason: textOf(object.reason),
    message: textOf(object.message),
    component: textOf(objectOf(object.source).component) || textOf(object.reportingComponent),
    involved: {
      apiVersion: textOf(involved.apiVersion),
      kind: textOf(involved.kind),
      namespace: textOf(involved.namespace),
      name: textOf(involved.name),
      uid: textOf(involved.uid),
      resourceVersion: textOf(involved.resourceVersion),
      fieldPath: textOf(involved.fieldPath),
    },
    count: numberOf(object.count),
    series: numberOf(series.count),
    // The true last occurrence (khook row H4): never the creation alone while a later time is told.
    at: at.length > 0 ? Math.max(...at) : (timeOf(objectOf(object.metadata).creationTimestamp) ?? 0),
  };
}

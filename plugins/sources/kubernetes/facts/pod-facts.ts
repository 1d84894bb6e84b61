/** What a pod's status tells of the pod as a whole (spec kubelet, K11). */
import type { Attributes } from '#core';

import { conditionOf, type PodView } from '../objects.ts';
import { containerFacts } from './container-facts.ts';
import { type Fact, factId, type FactType } from './fact.ts';

/** `status.reason` of a pod that somebody threw off its node. */
const EVICTED = new Set(['Evicted', 'Preempting', 'Preempted', 'Terminated', 'NodeShutdown', 'Shutdown', 'NodeLost']);

/** Everything that the status says, old and new. `now` dates what has no time of its own. */
export function podFacts(pod: PodView, now: number): Fact[] {
  return [...containerFacts(pod, now), ...disruption(pod, now), ...failure(pod, now), ...unschedulable(pod, now)];
}

/** A fact of a pod; one of a kind, where `id` is not given. */
export function podFact(type: FactType, pod: PodView, id: string, at: number, attributes: Attributes): Fact {
  return { type, id, at, about: pod, pod, attributes: { fault: true, ...attributes } };
}

/** Since 1.26 a condition says that and why a pod has to go, before it goes. */
function disruption(pod: PodView, now: number): Fact[] {
  const target = conditionOf(pod, 'DisruptionTarget');
  if (target?.status !== 'True') return [];
  const { reason, message, since } = target;
  return [podFact('pod-evicted', pod, evictedId(pod.uid), since ?? now, { reason, message, phase: pod.phase })];
}

function failure(pod: PodView, now: number): Fact[] {
  const { phase, reason, message, uid } = pod;
  if (phase !== 'Failed') return [];
  if (EVICTED.has(reason)) return [podFact('pod-evicted', pod, evictedId(uid), now, { reason, message, phase })];
  if (pod.deleting) return [];
  const last = lastEnd(pod);
  const told = reason === '' ? { reason: last?.reason ?? '', message: last?.message ?? message } : { reason, message };
  const at = reason === '' ? (last?.finishedAt ?? now) : now;
  return [podFact('pod-failed', pod, failedId(uid), at, { ...told, exit_code: last?.exitCode, phase })];
}

function lastEnd(pod: PodView) {
  const ends = pod.containers.map(({ ended }) => ended).filter((end) => end !== null);
  const bad = ends.filter(({ exitCode, reason }) => exitCode !== 0 || reason === 'OOMKilled');
  return bad.sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0)).at(-1);
}

/** No node fits. A pod without a node has nothing else to tell. */
function unschedulable(pod: PodView, now: number): Fact[] {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable' || pod.deleting) return [];
  const { reason, message, since } = scheduled;
  return [podFact('pod-pending', pod, unschedulableId(pod.uid), since ?? now, { reason, message, phase: pod.phase })];
}

export const evictedId = (uid: string): string => factId('evicted', uid);
export const failedId = (uid: string): string => factId('failed', uid);
/** Bound, and not started. */
export const pendingId = (uid: string): string => factId('pending', uid);
export const unschedulableId = (uid: string): string => factId('unschedulable', uid);

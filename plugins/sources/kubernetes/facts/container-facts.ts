/** What a pod's status tells of its containers (spec kubelet, rules 1, 2 and 9). */
import type { ContainerView, PodView, Terminated } from '../objects.ts';
import { containerFact, type Fact, factId } from './fact.ts';

/** `waiting.reason` of an image that does not come. Not ImageInspectError: that is the runtime's fault, and of every pod. */
const PULL_FAILED = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);
/** `waiting.reason` of a container that cannot be made: the pod stays pending until somebody mends it. */
const CANNOT_START = new Set(['CreateContainerConfigError', 'CreateContainerError']);

/** Everything that the status says of its containers, old and new; ids say which of it was told before. */
export function containerFacts(pod: PodView, now: number): Fact[] {
  return pod.containers.flatMap((container) => [
    ...endFacts(pod, container, now),
    ...restartFacts(pod, container, now),
    ...waitingFacts(pod, container, now),
  ]);
}

/** One end is told as `state`, as `lastState`, and again after a kubelet's restart: the container's id makes it one. */
function endFacts(pod: PodView, container: ContainerView, now: number): Fact[] {
  const ends = [container.lastEnded, container.ended].filter((end) => end !== null);
  return ends.map((end) => {
    const type = end.reason === 'OOMKilled' && !pod.deleting ? 'oom-kill' : 'container-exit';
    return containerFact(type, pod, container, {
      id: endId(pod, container, end),
      at: end.finishedAt ?? now,
      container_id: end.containerId,
      exit_code: end.exitCode,
      signal: end.signal === 0 ? undefined : end.signal,
      reason: end.reason,
      message: end.message,
      fault: isFault(pod, container, end),
    });
  });
}

function endId(pod: PodView, container: ContainerView, { containerId }: Terminated): string {
  if (containerId === '') return factId('end', pod.uid, container.name, container.restartCount);
  return factId('end', containerId.slice(containerId.indexOf('://') + 3) || containerId);
}

/** K3: the end of what is being deleted, and a work that is done, are no faults; whatever should go on and ended is one. */
function isFault(pod: PodView, container: ContainerView, { exitCode, reason }: Terminated): boolean {
  if (pod.deleting) return false;
  return exitCode !== 0 || reason === 'OOMKilled' || container.restartsAlways;
}

/** The count rises when the next container starts, may jump, and may rise without any end being told (K4). */
function restartFacts(pod: PodView, container: ContainerView, now: number): Fact[] {
  const { restartCount, startedAt, ended, lastEnded } = container;
  if (restartCount === 0 || pod.deleting) return [];
  const before = lastEnded ?? ended;
  const at = startedAt ?? ended?.startedAt ?? lastEnded?.startedAt ?? now;
  return [
    containerFact('pod-restart', pod, container, {
      id: factId('restart', pod.uid, container.name, restartCount),
      at,
      restarts: 1,
      exit_code: before?.exitCode,
      signal: before === null || before.signal === 0 ? undefined : before.signal,
      reason: before?.reason ?? '',
      message: before?.message ?? '',
    }),
  ];
}

/** The first word of `waiting.reason` is its class; what follows is text (K7: `PostStartHookError: command …`). */
function waitingFacts(pod: PodView, container: ContainerView, now: number): Fact[] {
  const { waiting, restartCount, lastEnded } = container;
  if (!waiting || pod.deleting) return [];
  const [word = ''] = /^[A-Za-z]*/.exec(waiting.reason) ?? [];
  const told = { reason: waiting.reason, message: waiting.message };
  if (word === 'CrashLoopBackOff') {
    const id = factId('crash-loop', pod.uid, container.name, restartCount);
    const end = { exit_code: lastEnded?.exitCode, container_reason: undefined };
    return [containerFact('crash-loop', pod, container, { id, at: lastEnded?.finishedAt ?? now, ...told, ...end })];
  }
  if (PULL_FAILED.has(word)) {
    const id = factId('image', pod.uid, container.name, restartCount, container.image);
    return [containerFact('image-pull-failed', pod, container, { id, at: now, ...told })];
  }
  if (CANNOT_START.has(word)) {
    return [containerFact('pod-pending', pod, container, { id: factId('pending', pod.uid), at: now, ...told })];
  }
  return [];
}

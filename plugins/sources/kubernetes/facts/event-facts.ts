/** Which Kubernetes Events count, and as what (spec khook, section 2; spec kubelet, K11). */
import type { EventView } from '../objects.ts';
import { type Fact, factId, type FactType } from './fact.ts';

/** `(combined from similar events): …`: many of one kind, told as one. */
const COMBINED = '(combined from similar events): ';

/** khook's table, in its order: what an Event of type Warning that regards a Pod means. Comparison ignores case. */
export function podEventType({ reason, message }: EventView): FactType | null {
  const why = reason.toLowerCase();
  const text = message.toLowerCase();
  const has = (part: string): boolean => text.includes(part);
  if (why === 'oomkilling' || why === 'oomkilled') return 'oom-kill';
  if (why === 'killing' || why === 'killed') return has('oom') || has('out of memory') ? 'oom-kill' : 'pod-restart';
  if (why === 'backoff') return 'pod-restart';
  if (why === 'failed' && has('container') && !has('pull')) return 'pod-restart';
  if (why === 'failedscheduling' || why === 'pending') return 'pod-pending';
  if (why === 'unhealthy' || why.includes('probe')) return probeType(text, why);
  if (isStuck({ reason }) || has('pending')) return 'pod-pending';
  if (why === 'evicted') return 'pod-evicted';
  return null;
}

/** What keeps a pod that has its node from being started; status names none of it. */
const STUCK = new Set(['failedmount', 'failedattachvolume', 'failedcreatepodsandbox', 'failedmapvolume']);

export function isStuck({ reason }: Pick<EventView, 'reason'>): boolean {
  return STUCK.has(reason.toLowerCase());
}

/** A probe that could not be made is the node's trouble, and of every pod on it (K10). */
function probeType(text: string, why: string): FactType | null {
  if (/probe errored/.test(text)) return null;
  return why !== 'unhealthy' || /liveness|readiness|startup/.test(text) ? 'probe-failed' : null;
}

/** Events of type Normal that tell a fault all the same, because nothing else does (K11). */
export function normalEventType({ reason }: EventView): FactType | null {
  if (reason === 'Preempted' || reason === 'TaintManagerEviction') return 'pod-evicted';
  return reason === 'DeadlineExceeded' ? 'pod-failed' : null;
}

/** Normal, and the kubelet's word that it kills a container because of its probe. */
export function killedByProbe({ reason, type, message }: EventView): boolean {
  return type === 'Normal' && reason === 'Killing' && /failed (liveness|startup) probe/.test(message);
}

export function probeKind(message: string): string {
  return (/(liveness|readiness|startup) probe/i.exec(message)?.[1] ?? '').toLowerCase();
}

/** `spec.containers{main}` → `main`; '' where the Event regards no container. */
export function containerOf({ involved }: EventView): string {
  return /\{([^}]*)\}$/.exec(involved.fieldPath)?.[1] ?? '';
}

/** One occurrence of an Event: its count and that of its series name it, whoever reads it. */
export function occurrence({ uid, count, series }: EventView): string {
  return factId(uid, count, series);
}

/** The Event itself, for those who ask for Events. */
export function eventFact(event: EventView): Fact {
  return factOfEvent('event', event, occurrence(event), { 'involved.field_path': event.involved.fieldPath });
}

/** Something that only the Event tells. */
export function factOfEvent(type: FactType, event: EventView, id: string, more: Fact['attributes'] = {}): Fact {
  const { involved, reason, message, at } = event;
  const about = {
    kind: involved.kind,
    namespace: involved.namespace,
    name: involved.name,
    uid: involved.uid,
    resourceVersion: '',
  };
  const attributes = {
    reason,
    message: message.startsWith(COMBINED) ? message.slice(COMBINED.length) : message,
    container: containerOf(event),
    'event.type': event.type,
    'event.component': event.component,
    'event.count': Math.max(event.count, event.series + (event.series > 0 ? 1 : 0), 1),
    'involved.kind': involved.kind,
    'involved.name': involved.name,
    'involved.namespace': involved.namespace,
    'involved.uid': involved.uid,
    ...more,
  };
  return { type, id, at, about, pod: null, attributes };
}

/** Kubernetes Events: a hint to look at the pod, whose status may tell the same, else a fact of their own. */
import type { Clock } from '#core';

import { type ApiClient, ApiError } from './api/client.ts';
import {
  containerOf,
  eventFact,
  factOfEvent,
  isStuck,
  killedByProbe,
  normalEventType,
  occurrence,
  podEventType,
} from './facts/event-facts.ts';
import type { Fact, FactType } from './facts/fact.ts';
import { evictedId, failedId, pendingId, podFacts, unschedulableId } from './facts/pod-facts.ts';
import { type EventView, type PodView, podOf } from './objects.ts';
import { LOOKS_MS, Probes } from './probes.ts';

/** Looks at pods at a time, and how many may wait for one; beyond, an Event is told as it is. */
const LOOKS = 16;
const WAITING = 1000;
/** So long for one look. */
const LOOK_MS = 3000;
/** Ids of facts that are remembered: the same occurrence is told again by a list, and by an old leader. */
const REMEMBERED = 20_000;
/** A pod that cannot be started at once may be a moment later: a volume's Secret that is on its way. */
const STUCK_MS = 10_000;
/** The reporting component of our own Events (they never feed this source). */
const OWN_COMPONENT = 'trotline';

/** Types of which the status of a pod tells all there is: an Event about a pod that has ended or is gone adds nothing. */
const TOLD_BY_STATUS = new Set<FactType>(['pod-restart', 'oom-kill', 'pod-pending']);

export interface EventsOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly staleAfterMs: number;
  readonly tell: (facts: readonly Fact[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class Events {
  readonly #options: EventsOptions;
  readonly #told = new Set<string>();
  /** Pods that were seen, by uid: whatever their status told was told where they ran. */
  readonly #existed = new Set<string>();
  readonly #probes: Probes;
  readonly #waiting: (() => void)[] = [];
  #looking = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
    this.#probes = new Probes({ ...options, look: (event) => this.#look(event), tell: (facts) => this.#tell(facts) });
  }

  /** A pod of this uid is there. */
  podSeen(uid: string): void {
    keep(this.#existed, uid);
  }

  /** One Event, new or raised. `old`: it was there before we listened. */
  async changed(event: EventView, old: boolean): Promise<void> {
    if (event.component.startsWith(OWN_COMPONENT)) return;
    if (old) {
      this.#remember(`event.${occurrence(event)}`);
      return;
    }
    if (event.at < this.#options.clock.now() - this.#options.staleAfterMs) return;
    if (this.#told.has(`event.${occurrence(event)}`)) return;
    await this.#tell([eventFact(event)]);
    if (event.involved.kind !== 'Pod') return;
    if (killedByProbe(event)) return this.#probes.killed(event);
    const type = event.type === 'Normal' ? normalEventType(event) : podEventType(event);
    if (type === 'probe-failed') return this.#probes.failed(event);
    // Not awaited: a look at the API server holds back no other Event.
    if (type !== null) this.#hinted(type, event).catch((error: unknown) => this.#fail(error));
  }

  /** Looks at the pod, and again while its status may still be on its way, before the Event is told as it is. */
  async #hinted(type: FactType, event: EventView): Promise<void> {
    const { clock, signal } = this.#options;
    let pod: PodView | null = null;
    let waited = 0;
    for (const at of LOOKS_MS) {
      if (at > waited) await clock.sleep(at - waited, signal);
      waited = at;
      pod = await this.#look(event);
      const over = pod ? hasEnded(pod) : this.#existed.has(event.involved.uid);
      if (over && TOLD_BY_STATUS.has(type)) return;
      const facts = pod ? this.#known(type, event, pod) : null;
      if (facts) return this.#tell(facts);
      if (!pod || pod.nodeName === '') break;
    }
    await this.#tell([{ ...this.#own(type, event), pod }]);
  }

  /** The same fact as the pod's status tells, or [] where that has told or will tell it; null: status says nothing of it. */
  #known(type: FactType, event: EventView, pod: PodView): Fact[] | null {
    const container = containerOf(event);
    const told = podFacts(pod, event.at).filter(
      (fact) => fact.attributes.container === undefined || container === '' || fact.attributes.container === container,
    );
    if (type === 'pod-pending' && isStuck(event)) return stuck(event, pod, this.#options.clock.now());
    const same = told.filter((fact) => fact.type === type);
    if (same.length > 0) return same;
    // The end that it followed is told, and the restart will be when it comes.
    if (type === 'pod-restart' && told.some((fact) => fact.type === 'container-exit' || fact.type === 'oom-kill'))
      return [];
    return null;
  }

  /** A fact that no status tells. */
  #own(type: FactType, event: EventView): Fact {
    const { uid } = event.involved;
    const ids: Partial<Record<FactType, string>> = {
      'pod-evicted': evictedId(uid),
      'pod-failed': failedId(uid),
      'pod-pending': event.reason === 'FailedScheduling' ? unschedulableId(uid) : pendingId(uid),
    };
    const id = uid === '' ? undefined : ids[type];
    return factOfEvent(type, event, id ?? occurrence(event), { fault: true });
  }

  /** The pod as it is; null: there is none of this uid any more, or no time to look. */
  async #look(event: EventView): Promise<PodView | null> {
    if (this.#looking >= LOOKS) {
      if (this.#waiting.length >= WAITING) return null;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#looking++;
    try {
      return await this.#podOf(event);
    } finally {
      // Whoever waits longest has this place now.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#looking--;
    }
  }

  async #podOf({ involved }: EventView): Promise<PodView | null> {
    const { client, signal } = this.#options;
    if (involved.name === '') return null;
    try {
      const path = `/api/v1/namespaces/${encodeURIComponent(involved.namespace)}/pods/${encodeURIComponent(involved.name)}`;
      const pod = podOf(await client.get(path, AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)])));
      this.podSeen(pod.uid);
      return involved.uid === '' || pod.uid === involved.uid ? pod : null;
    } catch (error) {
      if (error instanceof ApiError || !signal.aborted) return null;
      throw error;
    }
  }

  #fail(error: unknown): void {
    if (!this.#options.signal.aborted) this.#options.onError(error);
  }

  async #tell(facts: readonly Fact[]): Promise<void> {
    const fresh = facts.filter(({ type, id }) => !this.#told.has(`${type}.${id}`));
    for (const { type, id } of fresh) this.#remember(`${type}.${id}`);
    if (fresh.length > 0) await this.#options.tell(fresh);
  }

  #remember(id: string): void {
    keep(this.#told, id);
  }
}

function hasEnded({ deleting, phase }: PodView): boolean {
  return deleting || phase === 'Failed' || phase === 'Succeeded';
}

/** Adds it, and forgets the oldest beyond the limit. */
function keep(ids: Set<string>, id: string): void {
  ids.add(id);
  for (const oldest of ids) {
    if (ids.size <= REMEMBERED) return;
    ids.delete(oldest);
  }
}

/** A volume or sandbox that does not come: told once it is no passing trouble; [] while it may be, or no longer is. */
function stuck(event: EventView, pod: PodView, now: number): Fact[] {
  if (pod.phase !== 'Pending' || pod.deleting) return [];
  if (event.count < 2 && now - (pod.createdAt ?? now) < STUCK_MS) return [];
  return [{ ...factOfEvent('pod-pending', event, pendingId(pod.uid), { fault: true }), pod }];
}

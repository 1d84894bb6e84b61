/** The pods of this node: what their status tells anew, and what only time tells. */
import type { Clock } from '#core';

import { type Fact, factId } from './facts/fact.ts';
import { pendingId, podFact, podFacts } from './facts/pod-facts.ts';
import type { Left, PodMemory } from './memory.ts';
import { conditionOf, type PodView } from './objects.ts';

/** A pod that was in trouble and is ready for so long has recovered: a crash loop is ready between its ends, too. */
const RECOVERED_MS = 30_000;
/** Not ready for less is no trouble: a kubelet that starts again says so of every pod until its probe has run. */
const UNREADY_MS = 15_000;
const CUT_MS = 1000;
/** Ids of facts that are remembered of each pod; its status tells the last two ends of each container. */
const REMEMBERED = 64;

export interface PodsOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly pendingAfterMs: number;
  readonly staleAfterMs: number;
  /** What a former life left; null: there was none, and what is so now is old news. */
  readonly left: Left | null;
  readonly tell: (facts: readonly Fact[]) => Promise<void>;
  /** What the next life has to know is not what it was. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

interface Known {
  pod: PodView;
  readonly told: Set<string>;
  /** Type of the last fault that was told of it; null: it is well, as far as is known. */
  trouble: string | null;
  /** When that fault was, milliseconds since the epoch. */
  troubledAt: number;
  wasReady: boolean;
  /** Time of the timer that is set, monotonic; Infinity: none. */
  dueAt: number;
}

export class Pods {
  readonly #options: PodsOptions;
  readonly #known = new Map<string, Known>();
  readonly #since: number;
  #left: Left['pods'];

  constructor(options: PodsOptions) {
    this.#options = options;
    this.#since = options.left?.since ?? options.clock.now();
    this.#left = options.left?.pods ?? new Map();
  }

  /** What the next life has to know: of what each status tells, which was told. */
  get memory(): Left {
    const now = this.#options.clock.now();
    const pods = new Map<string, PodMemory>();
    for (const [uid, { pod, told, trouble }] of this.#known) {
      const ids = [...podFacts(pod, now).map(keyOf), `pod-pending.${pendingId(uid)}`];
      pods.set(uid, { told: ids.filter((id) => told.has(id)), trouble });
    }
    return { since: this.#since, pods };
  }

  get size(): number {
    return this.#known.size;
  }

  /** All there are. `first`: of this life, and so old news where no life was before. */
  async listed(pods: readonly PodView[], first: boolean): Promise<void> {
    const oldest = first ? this.#oldNews() : this.#stale();
    const uids = new Set(pods.map(({ uid }) => uid));
    const gone = [...this.#known.values()].filter(({ pod }) => !uids.has(pod.uid));
    for (const { pod } of gone) await this.deleted({ ...pod, deleting: true });
    for (const pod of pods) await this.#take(pod, oldest);
    this.#left = new Map();
    this.#options.onChange();
  }

  changed(pod: PodView): Promise<void> {
    return this.#take(pod, this.#stale());
  }

  /** Its last state may tell an end that nothing told before. */
  async deleted(pod: PodView): Promise<void> {
    await this.#take({ ...pod, deleting: true }, this.#stale());
    this.#known.delete(pod.uid);
    this.#options.onChange();
  }

  /** Where no life was before, everything; else what was before the first of them. Times of the kubelet are cut to seconds. */
  #oldNews(): number {
    return this.#options.left ? Math.max(this.#since - CUT_MS, this.#stale()) : Infinity;
  }

  #stale(): number {
    return this.#options.clock.now() - this.#options.staleAfterMs;
  }

  /** Tells what the pod tells anew, and is not older than `oldest`. */
  async #take(pod: PodView, oldest: number): Promise<void> {
    const { clock, tell } = this.#options;
    const before = this.#known.get(pod.uid);
    const known = before ?? this.#begin(pod);
    const facts = podFacts(pod, clock.now())
      .filter((fact) => !known.told.has(keyOf(fact)))
      .map((fact) => withJump(fact, before?.pod));
    if (!before) this.#known.set(pod.uid, known);
    known.pod = pod;
    known.wasReady ||= isReady(pod);
    // What cannot be told now is told by the next life: only what was handed over is remembered.
    const fresh = facts.filter(({ at }) => at >= oldest);
    if (fresh.length > 0) await tell(fresh);
    for (const fact of facts) remember(known, fact);
    if (facts.length > 0) this.#options.onChange();
    if (oldest < Infinity) this.#trouble(known, fresh, before === undefined);
    this.#look(known);
  }

  #begin(pod: PodView): Known {
    const left = this.#left.get(pod.uid);
    const trouble = left?.trouble ?? null;
    return { pod, told: new Set(left?.told), trouble, troubledAt: 0, wasReady: false, dueAt: Infinity };
  }

  #trouble(known: Known, fresh: readonly Fact[], isNew: boolean): void {
    for (const { type, at } of fresh.filter(({ attributes }) => attributes.fault === true)) {
      known.trouble = type;
      known.troubledAt = Math.max(known.troubledAt, at);
    }
    // It was told as unschedulable where pods without a node are heard.
    if (isNew && waitedForNode(known.pod)) known.trouble ??= 'pod-pending';
  }

  /** What time has made of it, and when to look again. */
  #look(known: Known): void {
    const { clock, tell, onError } = this.#options;
    const now = clock.now();
    const waits = [this.#pending(known, now), this.#recovery(known, now), this.#unready(known, now)];
    const facts = waits.filter((wait) => typeof wait === 'object').filter((fact) => fact !== null);
    for (const fact of facts) remember(known, fact);
    if (facts.length > 0) {
      tell(facts).catch(onError);
      this.#options.onChange();
    }
    const soonest = Math.min(...waits.map((wait) => (typeof wait === 'number' ? wait : Infinity)));
    if (soonest < Infinity) this.#wake(known, soonest);
  }

  #wake(known: Known, ms: number): void {
    const { clock, signal } = this.#options;
    const dueAt = clock.monotonic() + ms;
    if (known.dueAt <= dueAt) return;
    known.dueAt = dueAt;
    const due = (): void => {
      if (known.dueAt !== dueAt) return;
      known.dueAt = Infinity;
      if (this.#known.get(known.pod.uid) === known) this.#look(known);
    };
    clock.sleep(ms, signal).then(due, () => undefined);
  }

  /** A fact that is due, how long it is until then, or null. */
  #pending(known: Known, now: number): Fact | number | null {
    const { pod } = known;
    const id = pendingId(pod.uid);
    if (pod.phase !== 'Pending' || pod.nodeName === '' || pod.deleting || known.told.has(`pod-pending.${id}`))
      return null;
    const since = conditionOf(pod, 'PodScheduled')?.since ?? pod.createdAt ?? now;
    const due = since + this.#options.pendingAfterMs;
    if (due > now) return due - now;
    if (due < now - this.#options.staleAfterMs) return null;
    const waiting = pod.containers.find((container) => container.waiting !== null)?.waiting;
    const reason = waiting?.reason ?? 'Pending';
    const message = waiting?.message || `not started ${Math.round((now - since) / 1000)} s after it was given its node`;
    known.trouble = 'pod-pending';
    return podFact('pod-pending', pod, id, due, { reason, message });
  }

  #recovery(known: Known, now: number): Fact | number | null {
    const { pod, trouble } = known;
    if (trouble === null || pod.deleting) return null;
    const ready = conditionOf(pod, 'Ready');
    if (pod.phase !== 'Succeeded' && ready?.status !== 'True') return null;
    // A container that is started again at once leaves the pod ready all the time.
    const since = Math.max(
      ready?.since ?? now,
      known.troubledAt,
      ...pod.containers.map(({ startedAt }) => startedAt ?? 0),
    );
    const due = pod.phase === 'Succeeded' ? now : since + RECOVERED_MS;
    if (due > now) return due - now;
    known.trouble = null;
    const message = `${pod.phase === 'Succeeded' ? 'succeeded' : 'ready'} after ${trouble}`;
    const id = factId('recovered', pod.uid, Math.floor(since / 1000));
    return podFact('pod-recovered', pod, id, since, {
      reason: pod.phase === 'Succeeded' ? 'Succeeded' : 'Ready',
      message,
      fault: false,
    });
  }

  /** A container that stopped being ready while it runs: told where Events are heard, and here a trouble to recover from. */
  #unready(known: Known, now: number): number | null {
    const { pod, wasReady, trouble } = known;
    const ready = conditionOf(pod, 'Ready');
    if (!wasReady || trouble !== null || ready?.status !== 'False' || ready.reason !== 'ContainersNotReady')
      return null;
    if (pod.phase !== 'Running' || pod.deleting) return null;
    const due = (ready.since ?? now) + UNREADY_MS;
    if (due > now) return due - now;
    known.trouble = 'unready';
    return null;
  }
}

/** A restart count may rise by more than one between two lines. */
function withJump(fact: Fact, before: PodView | undefined): Fact {
  if (fact.type !== 'pod-restart' || !before) return fact;
  const { container, container_kind: kind, restart_count: count } = fact.attributes;
  const old = before.containers.find((each) => each.name === container && each.kind === kind);
  const restarts = old && typeof count === 'number' ? Math.max(1, count - old.restartCount) : 1;
  return { ...fact, attributes: { ...fact.attributes, restarts } };
}

function keyOf({ type, id }: Fact): string {
  return `${type}.${id}`;
}

function remember({ told }: Known, fact: Fact): void {
  told.add(keyOf(fact));
  for (const oldest of told) {
    if (told.size <= REMEMBERED) return;
    told.delete(oldest);
  }
}

function isReady(pod: PodView): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True';
}

function waitedForNode(pod: PodView): boolean {
  const scheduled = conditionOf(pod, 'PodScheduled')?.since;
  return (
    scheduled !== undefined && scheduled !== null && pod.createdAt !== null && scheduled - pod.createdAt > UNREADY_MS
  );
}

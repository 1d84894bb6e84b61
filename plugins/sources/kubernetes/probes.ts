/** Failed probes, and what came of them: the container became unready, or was killed (spec kubelet, K9). */
import type { Clock } from '#core';

import { containerOf, factOfEvent, occurrence, probeKind } from './facts/event-facts.ts';
import type { Fact } from './facts/fact.ts';
import type { EventView, PodView } from './objects.ts';

/** When a pod is looked at because of an Event: its status comes up to 3.7 s later (spec kubelet, rule 7). */
export const LOOKS_MS = [0, 1500, 4000];

export interface ProbesOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly look: (event: EventView) => Promise<PodView | null>;
  readonly tell: (facts: readonly Fact[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

interface Waiting {
  readonly event: EventView;
  killed: boolean;
  /** Cuts the wait short. */
  readonly settle: AbortController;
}

export class Probes {
  readonly #options: ProbesOptions;
  /** By pod and container: the failure whose consequences are awaited. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Told when its consequences are known, at most four seconds later. */
  failed(event: EventView): void {
    const key = keyOf(event);
    // A newer failure of the same container: the older one had no consequence.
    this.#waiting.get(key)?.settle.abort();
    const waiting: Waiting = { event, killed: false, settle: new AbortController() };
    this.#waiting.set(key, waiting);
    this.#follow(key, waiting).catch(this.#options.onError);
  }

  /** The kubelet kills the container because of its probe. */
  async killed(event: EventView): Promise<void> {
    const waiting = this.#waiting.get(keyOf(event));
    if (!waiting) return this.#told(event, await this.#options.look(event), true);
    waiting.killed = true;
    waiting.settle.abort();
  }

  async #follow(key: string, waiting: Waiting): Promise<void> {
    const { clock, signal, look } = this.#options;
    const { event, settle } = waiting;
    let pod: PodView | null = null;
    let waited = 0;
    for (const at of LOOKS_MS) {
      if (at > waited) await clock.sleep(at - waited, AbortSignal.any([signal, settle.signal])).catch(() => undefined);
      waited = at;
      if (signal.aborted) return;
      if (settle.signal.aborted && pod) break;
      pod = (await look(event)) ?? pod;
      if (waiting.killed || settle.signal.aborted || unready(event, pod) || !pod) break;
    }
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    await this.#told(event, pod, waiting.killed);
  }

  async #told(event: EventView, pod: PodView | null, killed: boolean): Promise<void> {
    const consequences = {
      'probe.kind': probeKind(event.message),
      'probe.unready': unready(event, pod),
      'probe.killed': killed,
      fault: true,
    };
    const container = pod?.containers.find(({ name }) => name === containerOf(event));
    const image = { image: container?.image, restart_count: container?.restartCount };
    await this.#options.tell([
      { ...factOfEvent('probe-failed', event, occurrence(event), { ...image, ...consequences }), pod },
    ]);
  }
}

function unready(event: EventView, pod: PodView | null): boolean {
  const container = pod?.containers.find(({ name }) => name === containerOf(event));
  return container !== undefined && probeKind(event.message) === 'readiness' && !container.ready;
}

function keyOf(event: EventView): string {
  return `${event.involved.uid}/${containerOf(event)}`;
}

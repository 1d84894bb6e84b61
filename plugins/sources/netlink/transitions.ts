import type { Attributes, EventDraft } from '#core';

import type { Drafts, LinkState } from './drafts.ts';

export interface TransitionsOptions {
  /** Ascending, milliseconds. */
  readonly settleMs: readonly number[];
  readonly flapCount: number;
  readonly flapWindowMs: number;
  /** Milliseconds that never jump. */
  readonly now: () => number;
  /** Wakes `due` after so many milliseconds. */
  readonly wakeAfter: (ms: number) => void;
}

export type Standing = 'up' | 'down';

interface Unrest {
  link: LinkState;
  standing: Standing;
  /** How it stood before the first change of this unrest. */
  readonly before: Standing;
  /** When each of the last changes was, oldest first, at most `flapCount`. */
  readonly times: number[];
  transitions: number;
  flapping: boolean;
}

/**
 * What only time tells of a link: that it stayed up or down for a while (`link-settled`), or changed too often
 * (`link-flapping`). Costs an entry for each link that changed within the longest of its times.
 */
export class Transitions {
  readonly #options: TransitionsOptions;
  readonly #unrest = new Map<string, Unrest>();
  /** For each settle time the links that wait for it and when they changed: the first is due first, as all wait equally long. */
  readonly #waits: readonly Map<string, number>[];
  #wokenFor = Infinity;

  constructor(options: TransitionsOptions) {
    this.#options = options;
    this.#waits = options.settleMs.map(() => new Map());
  }

  /** A link changed between up and down: the event that it flaps, when that is news. */
  turned(link: LinkState, standing: Standing, drafts: Drafts): EventDraft | null {
    const { now, flapCount, flapWindowMs, settleMs } = this.#options;
    if (settleMs.length === 0) return null;
    const changedAt = now();
    const key = keyOf(link);
    const known = this.#unrest.get(key);
    // Turned on, then with a carrier: up all the same.
    if (known?.standing === standing) return null;
    const unrest = known ?? started(link, standing);
    this.#unrest.set(key, unrest);
    Object.assign(unrest, { link, standing, transitions: unrest.transitions + 1 });
    unrest.times.push(changedAt);
    if (unrest.times.length > flapCount) unrest.times.shift();
    for (const waits of this.#waits) {
      waits.delete(key);
      waits.set(key, changedAt);
    }
    this.#arm();
    const flaps = unrest.times.length === flapCount && changedAt - (unrest.times[0] ?? 0) <= flapWindowMs;
    if (!flaps || unrest.flapping) return null;
    unrest.flapping = true;
    return drafts.state('link-flapping', link, {
      'netlink.link.state': standing,
      'netlink.link.transitions': flapCount,
      'netlink.link.window_ms': flapWindowMs,
    });
  }

  /** The link is gone: what it was about to prove it will not. */
  gone(link: LinkState): void {
    const key = keyOf(link);
    this.#unrest.delete(key);
    for (const waits of this.#waits) waits.delete(key);
  }

  /** The events of those that stayed as they were for long enough. */
  due(drafts: Drafts): EventDraft[] {
    const { now, settleMs } = this.#options;
    const events: EventDraft[] = [];
    this.#wokenFor = Infinity;
    this.#waits.forEach((waits, index) => {
      const ms = settleMs[index] ?? 0;
      for (const [key, changedAt] of waits) {
        if (changedAt + ms > now()) break;
        waits.delete(key);
        const unrest = this.#unrest.get(key);
        if (!unrest) continue;
        events.push(drafts.state('link-settled', unrest.link, settled(unrest, ms)));
        if (index === settleMs.length - 1) this.#unrest.delete(key);
      }
    });
    this.#arm();
    return events;
  }

  #arm(): void {
    const { now, wakeAfter, settleMs } = this.#options;
    const next = Math.min(...this.#waits.map((waits, index) => firstOf(waits) + (settleMs[index] ?? 0)));
    if (next >= this.#wokenFor) return;
    this.#wokenFor = next;
    wakeAfter(Math.max(next - now(), 0));
  }
}

/** Infinity where nothing waits. */
function firstOf(waits: ReadonlyMap<string, number>): number {
  for (const changedAt of waits.values()) return changedAt;
  return Infinity;
}

function keyOf({ namespace, ifindex }: LinkState): string {
  return `${namespace.nsid} ${ifindex}`;
}

function started(link: LinkState, standing: Standing): Unrest {
  const before = standing === 'up' ? 'down' : 'up';
  return { link, standing, before, times: [], transitions: 0, flapping: false };
}

function settled({ standing, before, transitions }: Unrest, heldMs: number): Attributes {
  return {
    'netlink.link.state': standing,
    'netlink.link.before': before,
    'netlink.link.held_ms': heldMs,
    'netlink.link.transitions': transitions,
  };
}

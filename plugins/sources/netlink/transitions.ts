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
  changedAt: number;
  /** When each of the last changes was, oldest first, at most `flapCount`. */
  readonly times: number[];
  transitions: number;
  flapping: boolean;
}

interface Wait {
  readonly key: string;
  readonly changedAt: number;
  readonly dueAt: number;
}

/**
 * What only time tells of a link: that it stayed up or down for a while (`link-settled`), or changed too often
 * (`link-flapping`). Costs an entry for each link that changed within the longest of its times.
 */
export class Transitions {
  readonly #options: TransitionsOptions;
  readonly #unrest = new Map<string, Unrest>();
  /** For each settle time what waits for it; all wait equally long, so that the first is due first. */
  readonly #waits: readonly Wait[][];
  #wokenFor = Infinity;

  constructor(options: TransitionsOptions) {
    this.#options = options;
    this.#waits = options.settleMs.map(() => []);
  }

  /** A link changed between up and down: the event that it flaps, when that is news. */
  turned(link: LinkState, standing: Standing, drafts: Drafts): EventDraft | null {
    const { now, flapCount, flapWindowMs, settleMs } = this.#options;
    if (settleMs.length === 0) return null;
    const changedAt = now();
    const key = keyOf(link);
    const unrest = this.#unrest.get(key) ?? started(link, standing, changedAt);
    this.#unrest.set(key, unrest);
    Object.assign(unrest, { link, standing, changedAt, transitions: unrest.transitions + 1 });
    unrest.times.push(changedAt);
    if (unrest.times.length > flapCount) unrest.times.shift();
    settleMs.forEach((ms, index) => this.#waits[index]?.push({ key, changedAt, dueAt: changedAt + ms }));
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
    this.#unrest.delete(keyOf(link));
  }

  /** The events of those that stayed as they were for long enough. */
  due(drafts: Drafts): EventDraft[] {
    const { now, settleMs } = this.#options;
    const events: EventDraft[] = [];
    this.#wokenFor = Infinity;
    this.#waits.forEach((waits, index) => {
      const last = index === settleMs.length - 1;
      const count = waits.findIndex(({ dueAt }) => dueAt > now());
      for (const { key, changedAt } of waits.splice(0, count < 0 ? waits.length : count)) {
        const unrest = this.#unrest.get(key);
        if (unrest?.changedAt !== changedAt) continue;
        events.push(drafts.state('link-settled', unrest.link, settled(unrest, settleMs[index] ?? 0)));
        if (last) this.#unrest.delete(key);
      }
    });
    this.#arm();
    return events;
  }

  #arm(): void {
    const { now, wakeAfter } = this.#options;
    const next = Math.min(...this.#waits.map(([first]) => first?.dueAt ?? Infinity));
    if (next >= this.#wokenFor) return;
    this.#wokenFor = next;
    wakeAfter(Math.max(next - now(), 0));
  }
}

function keyOf({ namespace, ifindex }: LinkState): string {
  return `${namespace.nsid} ${ifindex}`;
}

function started(link: LinkState, standing: Standing, changedAt: number): Unrest {
  const before = standing === 'up' ? 'down' : 'up';
  return { link, standing, before, changedAt, times: [], transitions: 0, flapping: false };
}

function settled({ standing, before, transitions }: Unrest, heldMs: number): Attributes {
  return {
    'netlink.link.state': standing,
    'netlink.link.before': before,
    'netlink.link.held_ms': heldMs,
    'netlink.link.transitions': transitions,
  };
}

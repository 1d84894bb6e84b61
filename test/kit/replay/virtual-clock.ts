import { type Clock, sleepOn } from '#core';

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** A clock that stands still until it is moved; then it stops at each timer on the way. */
export interface VirtualClock extends Clock {
  /** When the next timer is due, milliseconds since the epoch; Infinity: there is none. */
  readonly due: number;
  /** Moves there, and calls what is due by then. Never back. */
  moveTo(at: number): void;
}

export function virtualClock(from: number): VirtualClock {
  let now = from;
  const timers = new Set<Timer>();
  const after = (ms: number, call: () => void) => {
    const timer = { at: now + Math.max(0, ms), call };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  return {
    now: () => now,
    monotonic: () => now - from,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    get due() {
      let soonest = Infinity;
      for (const { at } of timers) soonest = Math.min(soonest, at);
      return soonest;
    },
    moveTo(at) {
      now = Math.max(now, at);
      const due = [...timers].filter((timer) => timer.at <= now).sort((a, b) => a.at - b.at);
      for (const timer of due) if (timers.delete(timer)) timer.call();
    },
  };
}

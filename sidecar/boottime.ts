import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** When something was, so that its age can be told after a restart and, less surely, after a reboot. Milliseconds. */
export interface Moment {
  /** CLOCK_BOOTTIME: goes on while the machine sleeps, and over restarts of the process. */
  readonly boot: number;
  /** Wall clock. */
  readonly wall: number;
}

export interface BootClock {
  readonly bootId: string;
  moment(): Moment;
}

/** `uptime()` is CLOCK_BOOTTIME with a coarse tick: it is read once a second, the monotonic clock counts in between. */
export function createBootClock(): BootClock {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  let readAt = performance.now();
  let base = uptime() * 1000;
  return {
    bootId,
    moment() {
      const now = performance.now();
      if (now - readAt > 1000) {
        base = Math.max(base + now - readAt, uptime() * 1000);
        readAt = now;
      }
      return { boot: base + now - readAt, wall: Date.now() };
    },
  };
}

/** Milliseconds from `then` to `now`, never negative; by the wall clock across a reboot (design section 6.7). */
export function age(then: Moment, thenBootId: string, now: Moment, nowBootId: string): number {
  return Math.max(0, thenBootId === nowBootId ? now.boot - then.boot : now.wall - then.wall);
}

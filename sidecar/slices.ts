import { setImmediate as nextTurn } from 'node:timers/promises';

/** Half of what anything may take on the main loop (design section 10). */
const SLICE_MS = 1;

/**
 * For loops over many things: awaited before each, it lets the event loop have a turn whenever a slice of time is used up,
 * and costs next to nothing otherwise.
 */
export function createSlices(): () => Promise<void> | undefined {
  let end = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < end) return undefined;
    return nextTurn().then(() => void (end = performance.now() + SLICE_MS));
  };
}

/** What an action or a source gets from its host, as a test wants it: time stands still, I/O answers when told to. */
import { sleepOn } from '#core';
import type {
  ActionContext,
  Attempt,
  Clock,
  Ended,
  Log,
  Program,
  SourceContext,
  SourceMemory,
  TrotlineEvent,
} from '#core';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** Both clocks move only by `advance`; `sleep` ends when they have moved far enough. */
export function manualClock(nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)): Clock & { advance(ms: number): void } {
  let passed = 0;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  const after = (ms: number, wake: () => void) => {
    const sleeper = { until: passed + ms, wake };
    sleepers.add(sleeper);
    return () => void sleepers.delete(sleeper);
  };
  return {
    now: () => nowMs + passed,
    monotonic: () => passed,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    advance: (ms) => {
      passed += ms;
      for (const sleeper of sleepers) {
        if (sleeper.until > passed) continue;
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
  };
}

/** Holds what was written, for as long as the test does. */
export function memoryOf(text: string | null = null): SourceMemory & { text: string | null } {
  return {
    text,
    async read() {
      return this.text;
    },
    async write(written) {
      this.text = written;
    },
  };
}

/** One thing that an action asked of the world, still unanswered. */
export interface Call {
  /** Everything that the receiver gets to see. */
  readonly seen: string;
  /** The I/O ends well: `200`, or exit 0. */
  succeed(): void;
}

/** A context whose `fetch` and `run` wait to be answered, and end as the real ones do when their signal aborts. */
export function actionContext(): ActionContext & { readonly calls: readonly Call[] } {
  const calls: Call[] = [];
  return {
    calls,
    clock: manualClock(),
    log: silentLog,
    fetch: (input, init) =>
      new Promise((resolve, reject) => {
        const { signal = null, headers, body } = init ?? {};
        signal?.throwIfAborted();
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        calls.push({
          seen: JSON.stringify([input, [...new Headers(headers)], body]),
          succeed: () => resolve(new Response('{}')),
        });
      }),
    run: (program: Program, signal) =>
      new Promise((resolve) => {
        const killed = () => resolve({ ...ENDED, exitCode: null, signal: 'SIGKILL' });
        if (signal.aborted) return killed();
        signal.addEventListener('abort', killed, { once: true });
        calls.push({ seen: JSON.stringify(program), succeed: () => resolve(ENDED) });
      }),
  };
}

const ENDED: Ended = {
  exitCode: 0,
  signal: null,
  startError: null,
  timedOut: false,
  durationMs: 1,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

export function attemptOf(parts: Partial<Attempt> = {}): Attempt {
  const signal = new AbortController().signal;
  const remember = () => Promise.resolve();
  const own = { deliveryId: 'd-0123456789abcdef', number: 1, hook: 'trotline/test' };
  return { ...own, signal, remembered: null, remember, ...parts };
}

export function eventOf(parts: Partial<TrotlineEvent> = {}): TrotlineEvent {
  return {
    id: 'netlink-f00d-7',
    source: 'netlink',
    node: 'node-1',
    life: 'f00d',
    type: 'netlink.link-deleted',
    subject: 'veth0',
    time: Date.UTC(2026, 0, 2, 3, 4, 5),
    sequence: 7,
    synthetic: false,
    interface: 'veth0',
    namespace: '',
    messageType: 17,
    eventType: 1,
    attributes: { 'netlink.link.mtu': 1500 },
    ...parts,
  };
}

/** For sources that ask nobody. */
export const unasked: Pick<SourceContext, 'folder' | 'ask' | 'askPeople' | 'clusterKeys'> = {
  folder: '/nonexistent',
  ask: () => Promise.reject(new Error('nobody is asked here')),
  clusterKeys: async () => null,
  askPeople: () => Promise.reject(new Error('nobody is asked here')),
};

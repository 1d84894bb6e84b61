/** Events, outcomes and batches as a sidecar would report them. */
import type { AttemptRecord, Log, OutcomeRecord, ReportBatch, TrotlineEvent } from '#core';

export const HOOK = 'trotline/veth-gone';

export const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quiet,
};

export function event(
  number: number,
  over: Partial<Pick<TrotlineEvent, 'type' | 'node' | 'traceparent'>> = {},
): TrotlineEvent {
  return {
    id: `netlink-life-${number}`,
    source: 'netlink',
    node: 'node-1',
    life: 'life',
    type: 'netlink.link-deleted',
    subject: `veth${number}`,
    time: 1_700_000_000_000 + number,
    sequence: number,
    interface: `veth${number}`,
    namespace: '',
    messageType: 17,
    eventType: 1,
    synthetic: false,
    attributes: { 'netlink.link.mtu': 1_500, big: 2n ** 60n, half: 0.5, up: true },
    ...over,
  };
}

export function attempt(over: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    action: 0,
    actionType: 'script',
    number: 1,
    deliveryId: 'd',
    status: 'delivered',
    reason: '',
    detail: 'exit 0',
    output: '',
    timedOut: false,
    startedMs: 1_700_000_000_000,
    durationMs: 10,
    ...over,
  };
}

export function outcome(sequence: number, over: Partial<OutcomeRecord> = {}): OutcomeRecord {
  return {
    sequence,
    eventId: event(sequence).id,
    hook: HOOK,
    outcome: 'delivered',
    reason: '',
    uncoordinated: false,
    timeMs: 1_700_000_000_500,
    attempts: [attempt()],
    ...over,
  };
}

export function batch(over: Partial<ReportBatch> = {}): ReportBatch {
  return { events: [], outcomes: [], progress: [], ledger: null, ...over };
}

/** Events `from` to `to`, each with its outcome. */
export function outcomes(from: number, to: number): ReportBatch {
  const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return batch({ events: numbers.map((number) => event(number)), outcomes: numbers.map((number) => outcome(number)) });
}

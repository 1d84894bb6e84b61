/** A source that emits numbered events when told, and actions that leave marks: for tests of everything in between. */
import { appendFile } from 'node:fs/promises';

import {
  type Action,
  defineAction,
  defineSource,
  type EventDraft,
  type Result,
  type SourceContext,
  systemClock,
  Type,
} from '#core';

/** The draft of the n-th event; `netlink` types, so that hooks of any source take it. */
export function numberedDraft(number: number, parts: Partial<EventDraft> = {}): EventDraft {
  return {
    type: 'netlink.link-changed',
    subject: `number${number}`,
    time: Date.now(),
    sequence: number,
    synthetic: false,
    interface: `number${number}`,
    namespace: '',
    messageType: 16,
    eventType: 1,
    attributes: { 'netlink.link.mtu': number },
    ...parts,
  };
}

/** Hands its context to the test, which emits as it likes. */
export function manualSource(started: (context: SourceContext) => void | Promise<void>) {
  return defineSource({
    type: 'numbered',
    stability: 'experimental',
    eventTypes: ['netlink.link-changed'],
    config: Type.Object({}, { additionalProperties: false }),
    create: (_config, context) => ({ start: async () => started(context) }),
  });
}

/** An action of the type `script`, so that documents may name it, that does what the test says. */
export function testAction(handle: Action['handle']) {
  return defineAction({
    type: 'script',
    stability: 'experimental',
    config: Type.Object({}, { additionalProperties: true }),
    create: () => ({ handle }),
  });
}

/** Appends one line to a file: event, sequence, attempt, delivery id. Lingers after it, so that a kill often hits in between. */
export function appendingAction(path: string, lingerMs: number) {
  return testAction(async (event, { number, deliveryId }): Promise<Result> => {
    await appendFile(path, `${event.id} ${event.sequence} ${number} ${deliveryId}\n`);
    await systemClock.sleep(lingerMs);
    return { status: 'delivered' };
  });
}

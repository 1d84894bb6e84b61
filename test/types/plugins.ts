/** Programs that must not compile: what the types of a plugin catch. Checked by `tsc --noEmit -p .`, never run. */
import { defineAction, defineSource, Duration, type EventDraft, parseConfig, Type } from '#core';

const config = Type.Object(
  {
    url: Type.String({ description: 'x' }),
    timeout: Duration({ default: '5s', description: 'x' }),
    note: Type.Optional(Type.String({ description: 'x' })),
  },
  { additionalProperties: false },
);

const action = { type: 'call', stability: 'experimental', config } as const;
const source = { type: 'tick', stability: 'experimental', eventTypes: ['tick.tock'], config } as const;
const draft: EventDraft = {
  type: 'tick.tock',
  subject: '',
  time: 0,
  sequence: 1,
  synthetic: false,
  interface: '',
  namespace: '',
  messageType: 0,
  eventType: 0,
  attributes: {},
};

/** What must compile, so that the rest fails for its own reason. */
export const right = [
  defineAction({
    ...action,
    create: ({ url, timeout, note }) => ({
      handle: () => Promise.resolve({ status: 'retry', reason: `${url} ${note ?? ''}`, afterMs: timeout + timeout }),
    }),
  }),
  defineSource({ ...source, create: (_, { emit }) => ({ start: () => emit([draft]) }) }),
];

export const misspeltOption = defineAction({
  ...action,
  // @ts-expect-error `uri` is no option
  create: ({ uri }) => ({ handle: () => Promise.resolve({ status: 'rejected', reason: String(uri) }) }),
});

export const wrongStatus = defineAction({
  ...action,
  // @ts-expect-error no such status
  create: () => ({ handle: () => Promise.resolve({ status: 'ok' }) }),
});

export const noReason = defineAction({
  ...action,
  // @ts-expect-error what is rejected has a reason
  create: () => ({ handle: () => Promise.resolve({ status: 'rejected' }) }),
});

export const noHandle = defineAction({
  ...action,
  // @ts-expect-error an action handles
  create: () => ({}),
});

export const wrongStability = defineAction({
  ...action,
  // @ts-expect-error no such stability
  stability: 'beta',
  create: () => ({ handle: () => Promise.resolve({ status: 'delivered' }) }),
});

export const unknownContext = defineAction({
  ...action,
  // @ts-expect-error an action cannot emit
  create: (_, { emit }) => ({ handle: () => Promise.resolve({ status: 'rejected', reason: String(emit) }) }),
});

export const noEventTypes = defineSource(
  // @ts-expect-error a source says what it emits
  { type: 'tick', stability: 'stable', config, create: () => ({}) },
);

export const wrongDraft = defineSource({
  ...source,
  create: (_, { emit }) => ({
    // @ts-expect-error a draft has a sequence
    start: () => emit([{ ...draft, sequence: undefined }]),
  }),
});

const parsed = parseConfig(config, {}, 'x');

// @ts-expect-error a parsed duration is a number
export const durationAsText: string = parsed.timeout;

// @ts-expect-error an optional text may be missing
export const missingAsText: string = parsed.note;

// @ts-expect-error no such key
export const noSuchKey: unknown = parsed.nope;

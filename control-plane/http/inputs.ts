/** What callers of the HTTP API may send; closed, so that a misspelt filter is an error and not everything. */
import type { FastifyRequest } from 'fastify';

import { Choice, OUTCOMES, parseConfig, Type } from '#core';

import { APPROVAL_STATES } from '../store/types.ts';

const closed = { additionalProperties: false } as const;
const text = (description: string) => Type.String({ minLength: 1, maxLength: 512, description });
const time = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));

export const HookName = Type.Object(
  { namespace: text("The hook's namespace."), name: text("The hook's name.") },
  closed,
);

const Who = Type.Object(
  { who: Type.String({ minLength: 1, maxLength: 256, description: 'Who does it, for the audit record.' }) },
  closed,
);

/** Who asks for a change: a reviewed name counts, whatever the body says. */
export function whoOf({ person, body }: Pick<FastifyRequest, 'person' | 'body'>): string {
  return person ?? parseConfig(Who, body, 'body').who;
}

export const ValidateBody = Type.Object(
  {
    file: Type.String({ minLength: 1, maxLength: 4096, description: 'Name for the places in answers.' }),
    text: Type.String({ description: 'The document.' }),
  },
  closed,
);

/** An event as `events show -o json` prints it; what is left out is as empty as can be. */
export const EventInput = Type.Object(
  {
    id: Type.String({ default: 'given' }),
    source: Type.Optional(Type.String()),
    node: Type.String({ default: '' }),
    life: Type.String({ default: '' }),
    type: Type.String({ minLength: 1, description: 'Canonical or short.' }),
    subject: Type.Optional(Type.String()),
    time: Type.Optional(Type.Integer({ minimum: 0 })),
    sequence: Type.Integer({ default: 0, minimum: 0 }),
    synthetic: Type.Boolean({ default: false }),
    interface: Type.String({ default: '' }),
    namespace: Type.String({ default: '' }),
    messageType: Type.Integer({ default: 0, minimum: 0 }),
    eventType: Type.Integer({ default: 0, minimum: 0 }),
    attributes: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), { default: {} }),
    traceparent: Type.Optional(Type.String()),
  },
  closed,
);

export const TestBody = Type.Object(
  {
    hook: text('namespace/name, or the name alone.'),
    event: Type.Unsafe<unknown>({ description: 'An event, the id of one, or "last".' }),
  },
  closed,
);

const filters = {
  type: Type.Optional(text('Canonical or short.')),
  hook: Type.Optional(text('namespace/name, or the name alone.')),
  node: Type.Optional(text('Node.')),
  outcome: Type.Optional(Choice([...OUTCOMES, 'pending'], { description: 'What became of it for a hook.' })),
};

export const EventsQuery = Type.Object(
  {
    ...filters,
    session: Type.Optional(text('Session of an agent.')),
    sinceMs: time('Milliseconds since the epoch.'),
    untilMs: time('Milliseconds since the epoch.'),
    limit: Type.Integer({ default: 100, minimum: 1, maximum: 10_000, description: 'At most so many, the newest.' }),
  },
  closed,
);

export const StreamQuery = Type.Object(filters, closed);

export const AuditQuery = Type.Object({ limit: Type.Integer({ default: 100, minimum: 1, maximum: 10_000 }) }, closed);

export const ApprovalsQuery = Type.Object(
  {
    state: Choice([...APPROVAL_STATES, 'all'], { default: 'pending', description: 'Only those.' }),
    limit: Type.Integer({ default: 100, minimum: 1, maximum: 10_000, description: 'At most so many, the newest.' }),
  },
  closed,
);

export const SessionsQuery = Type.Object(
  { limit: Type.Integer({ default: 100, minimum: 1, maximum: 10_000, description: 'At most so many, the newest.' }) },
  closed,
);

const session = Type.String({ minLength: 1, maxLength: 4096, description: 'Session of an agent.' });

export const SessionQuery = Type.Object({ session }, closed);

export const ForgetBody = Type.Object(
  { session, who: Type.Optional(text('Who does it, where no token says so.')) },
  closed,
);

export const StageBody = Type.Object(
  {
    enabled: Type.Boolean({ description: 'Whether events go through it.' }),
    who: Type.Optional(text('Who does it, where no token says so.')),
  },
  closed,
);

export const ApprovalId = Type.Object({ id: text('Id of the approval.') }, closed);

export const DecisionBody = Type.Object(
  {
    who: Type.Optional(text('Who decides, where no token says so.')),
    why: Type.String({ default: '', maxLength: 2000, description: 'Said to the agent.' }),
  },
  closed,
);

/** Query strings are text; these keys are numbers. */
const NUMBERS = new Set(['sinceMs', 'untilMs', 'limit']);

/** The query with its numbers as numbers; what is no number stays text, for the schema to refuse. */
export function numbers(query: unknown): unknown {
  if (typeof query !== 'object' || query === null) return query;
  return Object.fromEntries(
    Object.entries(query).map(([key, value]: [string, unknown]) => {
      const number = NUMBERS.has(key) && typeof value === 'string' && /^\d{1,15}$/.test(value);
      return [key, number ? Number(value) : value];
    }),
  );
}

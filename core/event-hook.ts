import { createHash } from 'node:crypto';

import { deepFreeze } from './pointer.ts';
import { checkConfig, Choice, Duration, type Infer, parseConfig, Type } from './schema.ts';

export const API_VERSION = 'trotline.dev/v1alpha1';
/** The namespace of the administrator's hooks; documents that name none are in it. */
export const OWN_NAMESPACE = 'trotline';
export const MAX_NAME_LENGTH = 253;

const closed = { additionalProperties: false } as const;

const Dedup = Type.Object(
  {
    key: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'Fields whose values make one incident; the hook itself is always part of the key.',
      }),
    ),
    window: Duration({ default: '10m', minimum: '1s', description: 'How long the incident counts as answered.' }),
    scope: Choice(['cluster', 'node', 'none'], {
      default: 'cluster',
      description: 'Where one answer is enough.',
    }),
  },
  {
    ...closed,
    description: 'Answer one incident once. Default: none for netlink and agent; for kubernetes what is written here.',
  },
);
export type Dedup = Infer<typeof Dedup>;

/** What makes one incident where the hook does not say: of an object of the cluster, and of a node-local source. */
const OBJECT_KEY: readonly string[] = ['type', 'namespace', 'kind', 'name', 'uid'];
const NODE_LOCAL_KEY: readonly string[] = ['node', 'type', 'subject'];

/** Fields whose values make one incident of a hook of this source (design section 4). */
export function dedupKey(source: string, dedup: Dedup): readonly string[] {
  return dedup.key ?? (source === 'kubernetes' ? OBJECT_KEY : NODE_LOCAL_KEY);
}

/** What a hook of this source that says nothing has; null: it answers every event. */
export function defaultDedup({ source, group }: Pick<EventHookSpec, 'source' | 'group'>): Dedup | null {
  return source === 'kubernetes' || group ? checkConfig(Dedup, {}).value : null;
}

const Group = Type.Object(
  {
    by: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: 'Fields whose values make one incident of many events. Names of objects count with their namespace.',
    }),
    wait: Duration({
      default: '10s',
      description: 'How long the first waits for the others before the actions start.',
    }),
    limit: Type.Optional(
      Type.Object(
        {
          incidents: Type.Integer({ minimum: 1, description: 'So many incidents of this hook in the whole cluster.' }),
          per: Duration({ minimum: '1s', description: 'In so long.' }),
        },
        { ...closed, description: 'Events that would begin another are dropped (incident-limit). Default: no limit.' },
      ),
    ),
  },
  {
    ...closed,
    description:
      'Storm control: events that one fault made are one incident, and the actions are given the list of the affected. Needs dedup scope cluster.',
  },
);
export type Group = Infer<typeof Group>;

const Loop = Type.Object(
  {
    depth: Type.Integer({ default: 3, minimum: 1, maximum: 1000, description: 'So many answers.' }),
    per: Duration({ default: '1h', minimum: '1s', description: 'In so long.' }),
  },
  {
    ...closed,
    description:
      'How often the hook answers what follows from changes by agents (events with `depth`), for each owner in the whole cluster; then it is dropped (loop). Default: what is written here.',
  },
);
export type Loop = Infer<typeof Loop>;

const DEFAULT_LOOP = parseConfig(Loop, {}, 'loop');

/** Of a hook that says nothing: what the schema says. */
export function loopOf({ loop }: EventHookSpec): Loop {
  return loop ?? DEFAULT_LOOP;
}

const Limit = Type.Object(
  {
    count: Type.Integer({ minimum: 1, description: 'So many events.' }),
    per: Duration({ minimum: '1s', description: 'In so long.' }),
  },
  {
    ...closed,
    description: 'Rate of actions of this hook on a node; the rest waits, then expires. Default: no limit.',
  },
);

const Approval = Type.Object(
  {
    by: Choice(['either', 'agent', 'queue'], {
      default: 'either',
      description:
        'Who asks a person: agent, the runtime asks its own user; queue, `trotline approvals`; either, the runtime where it can.',
    }),
    wait: Duration({
      default: '5m',
      minimum: '1s',
      maximum: '24h',
      description: 'How long the queue is waited for, at most the time that the runtime gives; then: deny.',
    }),
  },
  { ...closed, description: 'How a person is asked when the hook says ask. Default: what is written here.' },
);

/** Of a hook that says nothing: what the schema says. */
export function approvalOf({ approval }: EventHookSpec): Infer<typeof Approval> {
  return approval ?? DEFAULT_APPROVAL;
}

const DEFAULT_APPROVAL = parseConfig(Approval, {}, 'approval');

const ActionEntry = Type.Object(
  {
    type: Type.String({ pattern: '^[a-z][a-z0-9-]*$', description: 'Which action: script, webhook, or a plugin.' }),
    config: Type.Object({}, { default: {}, description: "The action's own configuration; see its README." }),
  },
  closed,
);

/** What a user writes under `spec`. Every default of a hook is here and nowhere else (design section 4). */
export const EventHookSpec = Type.Object(
  {
    source: Type.String({
      default: '',
      pattern: '^([a-z][a-z0-9-]*)?$',
      description: 'Which source; empty: all.',
    }),
    eventTypes: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Which events, canonical (netlink.link-deleted) or short (link-deleted); empty: all.',
    }),
    condition: Type.String({ default: '', description: 'Filter language, any event field; empty: always.' }),
    // Optional, not empty by default: hooks without it stay what they are for older sidecars.
    cel: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'CEL over event.FIELD; beside a condition, both must hold. Default: always.',
      }),
    ),
    enabled: Type.Boolean({ default: true, description: 'Whether the hook takes events.' }),
    mode: Choice(['enforce', 'audit'], {
      default: 'enforce',
      description: 'audit: route and record what would have happened, never act.',
    }),
    dedup: Type.Optional(Dedup),
    group: Type.Optional(Group),
    loop: Type.Optional(Loop),
    limit: Type.Optional(Limit),
    giveUpAfter: Duration({
      default: '15m',
      minimum: '1s',
      description: 'How long after routing a failing action is still retried.',
    }),
    whenUncoordinated: Type.Optional(
      Choice(['act', 'wait', 'drop'], {
        description:
          'Control plane away: act, wait for it or drop. Default: wait for hooks that call agents, else act.',
      }),
    ),
    onInterrupt: Choice(['repeat', 'giveUp'], {
      default: 'repeat',
      description: 'What follows an attempt that a crash cut short.',
    }),
    onFailure: Type.Optional(
      Choice(['open', 'closed'], {
        description:
          'A hook that should judge while an agent waits and cannot: open, as if it had said nothing; closed, deny. Default: closed with a guard, else open.',
      }),
    ),
    approval: Type.Optional(Approval),
    run: Choice(['async', 'sync'], {
      default: 'async',
      description: 'sync: later events of this hook wait until a round has ended.',
    }),
    actions: Type.Array(ActionEntry, { minItems: 1, maxItems: 16, description: 'What happens; all start together.' }),
  },
  closed,
);
export type EventHookSpec = Infer<typeof EventHookSpec>;

/** Names of hooks: text without what breaks a path, a line or UTF-8. `namespace/name` must have one reading. */
const NAME_CHARACTER = '[^\\p{Cc}\\p{Cs}/]';
/** No path element of its own. */
const NO_DOTS = '(?!\\.{1,2}$)';

/** As foreign forms have it: any text of 1 to 253 characters, kept byte-exact. */
export const ForeignName = Type.String({
  pattern: `^${NO_DOTS}${NAME_CHARACTER}{1,${MAX_NAME_LENGTH}}$`,
  'x-expected': `1 to ${MAX_NAME_LENGTH} characters, no / and no control characters`,
  description: 'Unique in its namespace.',
});

const Name = Type.String({
  pattern: `^(?! )${NO_DOTS}${NAME_CHARACTER}{1,${MAX_NAME_LENGTH}}(?<! )$`,
  'x-expected': `1 to ${MAX_NAME_LENGTH} characters, no / and no control characters, no space at an end`,
  description: 'Unique in its namespace.',
});

/** The native document without its `spec`: `kind: EventHook` (design section 4). */
export const EventHookDocument = Type.Object(
  {
    apiVersion: Type.Literal(API_VERSION, { description: 'Version of this form.' }),
    kind: Type.Literal('EventHook', { description: 'What the document is.' }),
    metadata: Type.Object(
      {
        name: Name,
        namespace: Type.String({
          default: OWN_NAMESPACE,
          pattern: `^${NO_DOTS}${NAME_CHARACTER}{1,63}$`,
          'x-expected': '1 to 63 characters, no / and no control characters',
          description: "Whose hook it is; the default is the administrator's.",
        }),
      },
      // Kubernetes adds labels, annotations, uid … of its own.
      { additionalProperties: true, description: "The hook's identity." },
    ),
  },
  closed,
);

export const HOOK_FORMS = ['EventHook', 'nlmon', 'Hook', 'kagent', 'claude-code'] as const;
export type HookForm = (typeof HOOK_FORMS)[number];

export function isHookForm(form: unknown): form is HookForm {
  return HOOK_FORMS.some((known) => known === form);
}

/** Where a document says it: 1-based. */
export interface Origin {
  readonly file: string;
  readonly line: number;
}

/** A hook as everything behind the door has it: parsed, defaults filled, frozen. */
export interface Hook {
  readonly namespace: string;
  readonly name: string;
  readonly form: HookForm;
  readonly spec: EventHookSpec;
  /** SHA-256 over form and spec: the same digest means the same behaviour. */
  readonly digest: string;
  readonly origin: Origin | null;
}

export function createHook(parts: Omit<Hook, 'digest'>): Hook {
  return deepFreeze({ ...parts, digest: digestOf([parts.form, parts.spec]) });
}

/** `namespace/name`: how a hook is called in records, logs and on the wire. */
export function hookId({ namespace, name }: Pick<Hook, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/** What a hook does when the control plane is away (design section 6.9). */
export function whenUncoordinated({ spec }: Hook): 'act' | 'wait' | 'drop' {
  return spec.whenUncoordinated ?? (spec.actions.some(({ type }) => type === 'a2a') ? 'wait' : 'act');
}

/** What a hook that cannot judge means for the agent that waits (design section 4). */
export function onFailure({ spec }: Hook): 'open' | 'closed' {
  return spec.onFailure ?? (spec.actions.some(({ type }) => type === 'guard') ? 'closed' : 'open');
}

/** SHA-256, hex, over `canonicalJson`. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** JSON with sorted keys: equal values have one text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}

/** The two kinds of hooks as CustomResourceDefinitions, made of the schemas that the control plane checks them by. */
import { EventHookSpec } from './event-hook.ts';
import { written } from './json-schema.ts';
import { KhookSpec } from './khook-form.ts';
import { isObject } from './pointer.ts';

type Json = Readonly<Record<string, unknown>>;

export function eventHookDefinition(): Json {
  return definition({
    group: 'trotline.dev',
    version: 'v1alpha1',
    kind: 'EventHook',
    plural: 'eventhooks',
    shortNames: ['ehk'],
    description: 'Which events matter and what happens.',
    spec: { ...EventHookSpec, description: 'Which events, and what happens.' },
    status: { ...CONDITIONS, nodes: NODES },
    columns: [
      ['Source', 'string', '.spec.source'],
      ...READY_COLUMNS,
      ['Applied', 'integer', '.status.nodes.applied'],
      ['Failed', 'integer', '.status.nodes.failed'],
    ],
  });
}

/** khook's resource as khook has it, with `agentId` beside `agentRef`, and conditions. */
export function khookDefinition(): Json {
  return definition({
    group: 'kagent.dev',
    version: 'v1alpha2',
    kind: 'Hook',
    plural: 'hooks',
    shortNames: [],
    description: 'Which events of its namespace call which agents.',
    spec: { ...KhookSpec },
    status: { ...CONDITIONS, activeEvents: ACTIVE_EVENTS },
    columns: READY_COLUMNS,
  });
}

type Column = readonly [name: string, type: string, path: string];

const READY_COLUMNS: readonly Column[] = [
  ['Ready', 'string', '.status.conditions[?(@.type=="Ready")].status'],
  ['Reason', 'string', '.status.conditions[?(@.type=="Ready")].reason'],
];

interface Definition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: Json;
  readonly status: Json;
  readonly columns: readonly Column[];
}

function definition({
  group,
  version,
  kind,
  plural,
  shortNames,
  description,
  spec,
  status,
  columns,
}: Definition): Json {
  const names = { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: shortNames.length === 0 ? names : { ...names, shortNames },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [...columns, ['Age', 'date', '.metadata.creationTimestamp']].map(
            ([name, type, jsonPath]) => ({ name, type, jsonPath }),
          ),
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              required: ['spec'],
              properties: {
                spec: structural(written(spec)),
                status: {
                  type: 'object',
                  description: 'How it stands, as the control plane says.',
                  properties: status,
                },
              },
            },
          },
        },
      ],
    },
  };
}

/**
 * A schema as the API server takes it. Unknown keys are kept, so that the control plane can name them, and defaults are left
 * to it, so that a resource stays as it was written.
 */
function structural(schema: Json): Json {
  const { type, properties, items, enum: choices, const: only, description, pattern, required } = schema;
  if (Array.isArray(type)) return { 'x-kubernetes-int-or-string': true, ...texts(schema), description };
  const fallback = only !== undefined || Array.isArray(choices) ? 'string' : 'object';
  const shared = {
    type: typeof type === 'string' ? type : fallback,
    ...(description === undefined ? {} : { description }),
    ...(Array.isArray(required) ? { required } : {}),
    ...limits(schema),
    ...(typeof pattern === 'string' ? texts(schema) : {}),
    ...(only === undefined ? {} : { enum: [only] }),
    ...(Array.isArray(choices) ? { enum: choices } : {}),
  };
  if (isObject(items)) return { ...shared, items: structural(items) };
  if (shared.type !== 'object') return shared;
  const parts = isObject(properties) ? Object.entries(properties) : [];
  const structured = parts.map(([key, part]) => [key, structural(isObject(part) ? part : {})] as const);
  return {
    ...shared,
    ...(structured.length === 0 ? {} : { properties: Object.fromEntries(structured) }),
    'x-kubernetes-preserve-unknown-fields': true,
  };
}

const LIMITS = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum'] as const;

function limits(schema: Json): Json {
  return Object.fromEntries(LIMITS.flatMap((key) => (schema[key] === undefined ? [] : [[key, schema[key]]])));
}

/** The API server's regular expressions look neither ahead nor behind: such a pattern is checked by the control plane alone. */
function texts({ pattern }: Json): Json {
  return typeof pattern === 'string' && !/\(\?[!<=]/.test(pattern) ? { pattern } : {};
}

const text = (description: string): Json => ({ type: 'string', description });
const count = (description: string): Json => ({ type: 'integer', description });
const time = (description: string): Json => ({ type: 'string', format: 'date-time', description });

const CONDITIONS: Json = {
  observedGeneration: count('Generation of the spec that this is of.'),
  lastUpdated: time('When this was written.'),
  conditions: {
    type: 'array',
    description: 'Ready: the hook is in effect, or why not.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
    items: {
      type: 'object',
      required: ['type', 'status'],
      properties: {
        type: text('Ready.'),
        status: text('True, False or Unknown.'),
        reason: text('HookConfigured, InvalidConfiguration or KagentAPIError.'),
        message: text('For people: every problem with its path.'),
        observedGeneration: count('Generation of the spec that this is of.'),
        lastTransitionTime: time('Since when the status is what it is.'),
      },
    },
  },
};

const NODES: Json = {
  type: 'object',
  description: 'On how many connected nodes it runs.',
  properties: {
    applied: count('It runs.'),
    failed: count('It could not be applied.'),
    pending: count('They have not answered yet.'),
    failures: {
      type: 'array',
      description: 'Some of the nodes where it failed.',
      items: { type: 'object', properties: { node: text('Name of the node.'), reason: text('Why.') } },
    },
  },
};

const ACTIVE_EVENTS: Json = {
  type: 'array',
  description: 'Incidents that are answered and not over.',
  items: {
    type: 'object',
    properties: {
      eventType: text('What happened.'),
      resourceName: text('To which pod.'),
      firstSeen: time('When it was first seen.'),
      lastSeen: time('When it was last seen.'),
      status: { type: 'string', enum: ['firing', 'resolved'], description: 'Whether it goes on.' },
    },
  },
};

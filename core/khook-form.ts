/** khook's `Hook` (`kagent.dev/v1alpha2`), each entry of which becomes one hook (spec khook, section 1; rows H1, H2). */
import type { Issue } from './errors.ts';
import { numbered } from './foreign-entry.ts';
import { isObject } from './pointer.ts';
import { checkConfig, Choice, type Infer, Type } from './schema.ts';

export const KHOOK_API_VERSION = 'kagent.dev/v1alpha2';

const NAME = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?';
const closed = { additionalProperties: false } as const;

/** What khook hears. */
export const KHOOK_EVENT_TYPES = ['pod-restart', 'pod-pending', 'oom-kill', 'probe-failed'] as const;

export const KhookEntry = Type.Object(
  {
    eventType: Choice(KHOOK_EVENT_TYPES, { description: 'What happens to a pod of the namespace.' }),
    agentRef: Type.Optional(
      Type.Object(
        {
          name: Type.String({ pattern: `^${NAME}$`, description: 'Name of the agent.' }),
          namespace: Type.Optional(
            Type.String({ pattern: `^${NAME}$`, description: "Its namespace; default: the Hook's." }),
          ),
        },
        { ...closed, description: 'Which agent of kagent is called.' },
      ),
    ),
    agentId: Type.Optional(
      Type.String({
        pattern: `^(${NAME}/)?${NAME}$`,
        'x-expected': 'name or namespace/name',
        description: 'The same as text: `name` or `namespace/name`.',
      }),
    ),
    prompt: Type.String({ minLength: 1, description: 'What the agent is asked; a template.' }),
  },
  closed,
);

export const KhookSpec = Type.Object(
  {
    eventConfigurations: Type.Array(KhookEntry, {
      minItems: 1,
      description: 'What happens, and which agent is called.',
    }),
  },
  { ...closed, description: 'Which events of its namespace call which agents.' },
);

/** The document without its `spec`. */
export const KhookDocument = Type.Object(
  {
    apiVersion: Type.String({ pattern: '^kagent\\.dev/', description: 'Version of this form.' }),
    kind: Type.Literal('Hook', { description: 'What the document is.' }),
    metadata: Type.Object(
      {
        name: Type.String({ pattern: `^${NAME}$`, description: 'Unique in its namespace.' }),
        namespace: Type.String({ default: 'default', pattern: `^${NAME}$`, description: 'Whose pods are heard.' }),
      },
      { additionalProperties: true, description: "The Hook's identity." },
    ),
  },
  // Kubernetes writes the status beside it.
  { additionalProperties: true },
);

/** Which agent an entry calls, as `namespace/name`, or why that cannot be said. */
export function agentOf(
  entry: Partial<Infer<typeof KhookEntry>>,
  namespace: string,
): { agent: string } | { issue: Issue } {
  const { agentRef, agentId } = entry;
  const byRef = agentRef && `${agentRef.namespace ?? namespace}/${agentRef.name}`;
  const byId = agentId === undefined || agentId.includes('/') ? agentId : `${namespace}/${agentId}`;
  if (byRef !== undefined && byId !== undefined && byRef !== byId) {
    const message = `disagrees with agentRef: "${byId}" and "${byRef}"`;
    return { issue: { path: '/agentId', message, expected: 'one of the two, or the same agent' } };
  }
  const agent = byRef ?? byId;
  if (agent !== undefined) return { agent };
  return { issue: { path: '/agentRef', message: 'is required', expected: 'agentRef.name, or agentId' } };
}

/** The entry as the spec of an EventHook: khook's window and its scope are our defaults, and it hears its namespace alone (H25). */
export function khookSpec(entry: Infer<typeof KhookEntry>, agent: string, namespace: string): object {
  return {
    source: 'kubernetes',
    eventTypes: [entry.eventType],
    condition: `namespace == "${namespace}"`,
    actions: [{ type: 'a2a', config: { kagent: { agent }, prompt: entry.prompt } }],
  };
}

const KEYS: Readonly<Record<string, string>> = {
  '/eventTypes/0': '/eventType',
  '/actions/0/config/prompt': '/prompt',
  '/actions/0/config/kagent/agent': '/agentRef',
};

/** A problem found in the spec, at the key of the Hook that caused it. */
export function khookPath<I extends Issue>(issue: I): I {
  return { ...issue, path: KEYS[issue.path] ?? issue.path };
}

/** Names of the hooks of one Hook: of the event type, and numbered where one comes again. */
export function khookNames(hook: string, entries: readonly unknown[]): string[] {
  const kinds = entries.map((entry) =>
    isObject(entry) && typeof entry.eventType === 'string' ? entry.eventType : 'unknown',
  );
  return numbered(hook, kinds);
}

/** What of a broken entry is sound, so that everything else is checked too. */
export function soundEntry(entry: unknown): Partial<Infer<typeof KhookEntry>> {
  const { partial } = checkConfig(KhookEntry, entry);
  const given = isObject(partial) ? partial : {};
  const { properties } = KhookEntry;
  const agentRef = checkConfig(properties.agentRef, given.agentRef).value ?? undefined;
  const agentId = checkConfig(properties.agentId, given.agentId).value ?? undefined;
  return { ...(agentRef && { agentRef }), ...(agentId !== undefined && { agentId }) };
}

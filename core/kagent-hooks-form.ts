/** The `hooks` of a kagent agent (`kind: Agent`): programs in OCI images that judge its calls (spec khook, section 10; rows A1, A4). */
import { ForeignName } from './event-hook.ts';
import { type ForeignEntry, literal, numbered, placedAt, under } from './foreign-entry.ts';
import { isObject } from './pointer.ts';
import { checkConfig, Choice, type Infer, Type } from './schema.ts';

const LIST = '/spec/hooks';
const NAME = '^[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?$';

const AgentDocument = Type.Object(
  {
    apiVersion: Type.String({ pattern: '^kagent\\.dev/', description: 'Version of this form.' }),
    kind: Type.Literal('Agent', { description: 'What the document is.' }),
    metadata: Type.Object(
      {
        name: Type.String({ pattern: NAME, description: 'Name of the agent.' }),
        namespace: Type.Optional(
          Type.String({ pattern: NAME, description: 'Its namespace; without one every agent of the node is judged.' }),
        ),
      },
      { additionalProperties: true, description: "The agent's identity." },
    ),
  },
  { additionalProperties: true },
);

export const KagentHook = Type.Object(
  {
    ref: Type.String({ minLength: 1, maxLength: 1024, description: 'OCI image with the program.' }),
    event: Choice(['PreToolUse', 'PostToolUse', 'SessionStart', 'SessionEnd'], {
      description: 'What the agent does.',
    }),
    type: Type.Literal('claude-command', { default: 'claude-command', description: 'How the program is asked.' }),
    matcher: Type.String({
      default: '',
      maxLength: 10_000,
      description: 'Regular expression that is searched in the name of the tool; empty: every tool.',
    }),
    command: Type.String({ pattern: '^/?[^\\u0000/][^\\u0000]*$', description: 'The program: a file of the image.' }),
  },
  { additionalProperties: false },
);

/** Whether this is an agent of kagent; other documents of that kind are none of ours. */
export function isKagentAgent(value: unknown): value is Record<string, unknown> {
  return isObject(value) && value.kind === 'Agent';
}

/** Null: its `hooks` are no list. */
export function kagentHooks(document: Record<string, unknown>): readonly unknown[] | null {
  const list = isObject(document.spec) ? (document.spec.hooks ?? []) : [];
  return Array.isArray(list) ? list : null;
}

export const KAGENT_LIST = LIST;

export function kagentEntries(document: Record<string, unknown>, list: readonly unknown[]): ForeignEntry[] {
  const { partial, issues } = checkConfig(AgentDocument, document);
  const metadata = isObject(partial) && isObject(partial.metadata) ? partial.metadata : {};
  const agent = typeof metadata.name === 'string' ? metadata.name : null;
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : null;
  const names = numbered(
    agent ?? 'unknown',
    list.map((entry) => (isObject(entry) && typeof entry.event === 'string' ? entry.event : 'unknown')),
  );
  return list.map((entry, index) => {
    const base = `${LIST}/${index}`;
    const checked = checkConfig(KagentHook, entry);
    const name = checkConfig(ForeignName, names[index]).value;
    return {
      form: 'kagent',
      base,
      name: agent === null ? null : name,
      namespace: namespace ?? 'default',
      issues: [...issues, ...checked.issues.map(under(base))],
      warnings: [],
      spec: checked.value === null ? null : specOf(checked.value, issues.length === 0 ? agent : null, namespace),
      place: placedAt(base, KEYS),
    };
  });
}

/** The kernel's and the cluster's word say whose call it is: pods of the agent are named after its Deployment. */
function specOf(hook: Infer<typeof KagentHook>, agent: string | null, namespace: string | null): object {
  const { ref, event, matcher, command } = hook;
  const conditions = [
    ...(agent === null || namespace === null
      ? []
      : [`namespace == '${namespace}' AND agent.pod =~ '^${agent}(-[a-z0-9]+)*$'`]),
    ...(matcher === '' ? [] : [`agent.tool =~ ${literal(matcher)}`]),
  ];
  const program = command.startsWith('/') ? command : `/${command}`;
  return {
    source: 'agent',
    eventTypes: [event],
    condition: conditions.join(' AND '),
    actions: [{ type: 'script', config: { ref, command: [program], protocol: 'claude-command' } }],
  };
}

const KEYS: Readonly<Record<string, string>> = {
  '/condition': '/matcher',
  '/eventTypes/0': '/event',
  '/actions/0/config/ref': '/ref',
  '/actions/0/config/command/0': '/command',
};

/** The `hooks` of Claude Code's `settings.json`: commands and endpoints that judge what agents do (spec khook, section 10; row A4). */
import type { Issue } from './errors.ts';
import { ForeignName, OWN_NAMESPACE } from './event-hook.ts';
import { type ForeignEntry, literal, numbered, placedAt, under } from './foreign-entry.ts';
import { isObject } from './pointer.ts';
import { checkConfig, Choice, type Infer, Type } from './schema.ts';

const LIST = '/hooks';
/** What Claude Code itself waits, seconds. */
const DEFAULT_TIMEOUT = 600;
const closed = { additionalProperties: false } as const;

const common = {
  timeout: Type.Number({
    default: DEFAULT_TIMEOUT,
    exclusiveMinimum: 0,
    maximum: DEFAULT_TIMEOUT,
    description: 'Seconds.',
  }),
  onFailure: Choice(['continue', 'block'], {
    default: 'continue',
    description: 'What a hook that cannot judge means.',
  }),
  statusMessage: Type.Optional(Type.String({ description: 'For the screen of Claude Code; nothing here.' })),
};

const CommandHandler = Type.Object(
  {
    type: Type.Literal('command', { description: 'A program.' }),
    command: Type.String({
      minLength: 1,
      description: 'Shell text, or with `args` the absolute path of a program.',
    }),
    args: Type.Optional(Type.Array(Type.String(), { description: 'Its arguments; no shell in between.' })),
    ...common,
  },
  closed,
);

const HttpHandler = Type.Object(
  {
    type: Type.Literal('http', { description: 'An endpoint.' }),
    url: Type.String({ minLength: 1, description: 'Is asked by POST.' }),
    headers: Type.Record(Type.String(), Type.String({ pattern: '^[^$]*$', 'x-expected': 'text without variables' }), {
      default: {},
      description: 'Further headers.',
    }),
    ...common,
  },
  closed,
);

const Group = Type.Object(
  {
    matcher: Type.String({ default: '', maxLength: 10_000, description: 'For which tools; empty or *: all.' }),
    hooks: Type.Array(Type.Unknown(), { description: 'Who is asked.' }),
  },
  closed,
);

/** What a matcher is held against, by event; at others Claude Code ignores it. */
const MATCHED: Readonly<Record<string, string>> = {
  PreToolUse: 'agent.tool',
  PostToolUse: 'agent.tool',
  PostToolUseFailure: 'agent.tool',
  PermissionRequest: 'agent.tool',
  PermissionDenied: 'agent.tool',
  SubagentStart: 'agent.type',
  SubagentStop: 'agent.type',
  SessionStart: 'agent.text',
  SessionEnd: 'agent.text',
  PreCompact: 'agent.text',
  PostCompact: 'agent.text',
};
/** These are matched by what no event here carries. */
const UNMATCHED = new Set([
  'Notification',
  'StopFailure',
  'ConfigChange',
  'InstructionsLoaded',
  'FileChanged',
  'Setup',
]);

/** Whether these are settings with hooks in them: a map of events, and no document of another form. */
export function isClaudeSettings(value: unknown): value is Record<string, unknown> {
  return isObject(value) && 'hooks' in value && !('kind' in value) && !('apiVersion' in value);
}

/** `holder`: what the file is called, without its ending. */
export function claudeEntries(settings: Record<string, unknown>, holder: string): ForeignEntry[] | Issue {
  const { hooks } = settings;
  if (!isObject(hooks)) return { path: LIST, message: 'must be a map of events, each with a list' };
  const found = Object.entries(hooks).flatMap(([event, groups]) => groupsOf(event, groups));
  const names = numbered(
    holder,
    found.map(({ event }) => event),
  );
  const enabled = settings.disableAllHooks !== true;
  return found.map(({ event, spec, base, issues, warnings, place }, index) => ({
    form: 'claude-code',
    base,
    issues,
    warnings,
    place,
    name: checkConfig(ForeignName, names[index]).value,
    namespace: OWN_NAMESPACE,
    spec: spec && { source: 'agent', eventTypes: [event], enabled, ...spec },
  }));
}

interface Found extends Pick<ForeignEntry, 'base' | 'issues' | 'warnings' | 'spec' | 'place'> {
  readonly event: string;
}

const nothing = { warnings: [], spec: null, place: placedAt(LIST, {}) };

function groupsOf(event: string, groups: unknown): Found[] {
  const base = `${LIST}/${event.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (!Array.isArray(groups)) return [{ ...nothing, event, base, issues: [{ path: base, message: 'must be a list' }] }];
  return groups.flatMap((group: unknown, index) => handlersOf(event, group, `${base}/${index}`));
}

function handlersOf(event: string, group: unknown, base: string): Found[] {
  const { value, issues } = checkConfig(Group, group);
  if (value === null) return [{ ...nothing, event, base, issues: issues.map(under(base)) }];
  const matched = matcherOf(event, value.matcher);
  const warnings = matched.warning ? [{ path: `${base}/matcher`, ...matched.warning }] : [];
  return value.hooks.map((handler, index) => {
    const own = `${base}/hooks/${index}`;
    const read = isObject(handler) && handler.type === 'http' ? httpSpec(handler) : commandSpec(handler);
    const wrong = matched.problem ? [{ path: `${base}/matcher`, ...matched.problem }] : [];
    return {
      event,
      base: own,
      issues: [...wrong, ...read.issues.map(under(own))],
      warnings: index === 0 ? warnings : [],
      spec: read.spec && { condition: matched.condition, ...read.spec },
      place: placedAt(own, read.keys, { '/condition': `${base}/matcher` }),
    };
  });
}

interface Matched {
  readonly condition: string;
  readonly problem?: Pick<Issue, 'message' | 'expected'>;
  readonly warning?: Pick<Issue, 'message'>;
}

function matcherOf(event: string, matcher: string): Matched {
  if (matcher === '' || matcher === '*') return { condition: '' };
  const field = MATCHED[event];
  if (field === undefined && UNMATCHED.has(event))
    return {
      condition: '',
      problem: { message: `what matchers of ${event} ask for is not heard here`, expected: 'no matcher' },
    };
  if (field === undefined) return { condition: '', warning: { message: `is ignored: ${event} has no matchers` } };
  if (/^[\w|]+$/.test(matcher)) return { condition: `${field} IN [${matcher.split('|').map(literal).join(', ')}]` };
  return { condition: `${field} =~ ${literal(matcher)}` };
}

interface Read {
  readonly issues: readonly Issue[];
  readonly spec: object | null;
  readonly keys: Readonly<Record<string, string>>;
}

function commandSpec(handler: unknown): Read {
  if (isObject(handler) && typeof handler.type === 'string' && handler.type !== 'command')
    return broken({ path: '/type', message: `"${handler.type}" cannot be asked here`, expected: 'command or http' });
  const { value, issues } = checkConfig(CommandHandler, handler);
  if (value === null) return { issues, spec: null, keys: {} };
  const { command, args } = value;
  if (/\btrotline-hook\b/.test(command))
    return broken({
      path: '/command',
      message: 'asks this sidecar, which would ask it again',
      expected: 'another program',
    });
  if (command.includes('CLAUDE_PROJECT_DIR'))
    return broken({
      path: '/command',
      message: "CLAUDE_PROJECT_DIR is the agent's word, which must not name the program that judges it",
      expected: 'an absolute path; the folder is `cwd` of the JSON on stdin',
    });
  const program = args ? { command: [command, ...args] } : { script: command };
  return {
    issues: [],
    spec: judgedBy(value, {
      type: 'script',
      config: { ...program, timeout: milliseconds(value), protocol: 'claude-command' },
    }),
    keys: { ...KEYS, '/actions/0/config/script': '/command', '/actions/0/config/command/0': '/command' },
  };
}

function httpSpec(handler: object): Read {
  const { value, issues } = checkConfig(HttpHandler, handler);
  if (value === null) return { issues, spec: null, keys: {} };
  const { url, headers } = value;
  const config = { url, headers, timeout: milliseconds(value), protocol: 'claude-http' };
  return { issues: [], spec: judgedBy(value, { type: 'webhook', config }), keys: KEYS };
}

type Handler = Pick<Infer<typeof CommandHandler>, 'timeout' | 'onFailure'>;

function judgedBy({ onFailure }: Handler, action: object): object {
  return { onFailure: onFailure === 'block' ? 'closed' : 'open', actions: [action] };
}

function milliseconds({ timeout }: Handler): number {
  return Math.max(1, Math.round(timeout * 1000));
}

const KEYS: Readonly<Record<string, string>> = {
  '/actions/0/config/timeout': '/timeout',
  '/actions/0/config/url': '/url',
  '/actions/0/config/headers': '/headers',
};

function broken(issue: Issue): Read {
  return { issues: [issue], spec: null, keys: {} };
}

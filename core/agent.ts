/** Agent lifecycle events: one form for every runtime (spec khook section 10, leanvibe B1). */
import type { Attributes, EventDraft } from './event.ts';
import { objectOf } from './pointer.ts';

/** What runtimes tell of, by the name that most of them use; others are heard, too, as themselves. */
export const AGENT_EVENTS = [
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'PermissionRequest',
  'PermissionDenied',
  'UserPromptSubmit',
  'UserPromptExpansion',
  'Notification',
  'Stop',
  'StopFailure',
  'SubagentStart',
  'SubagentStop',
  'PreCompact',
  'PostCompact',
  'SessionStart',
  'SessionEnd',
  'Setup',
  'InstructionsLoaded',
  'ConfigChange',
  'CwdChanged',
  'FileChanged',
  'WorktreeCreate',
  'WorktreeRemove',
  'TaskCreated',
  'TaskCompleted',
  'TeammateIdle',
  'Elicitation',
  'ElicitationResult',
  'AgentStart',
  'AgentStop',
  'Error',
  'BeforeModel',
  'AfterModel',
  'BeforeToolSelection',
] as const;

/** Hook types of the neutral form (spec leanvibe B1); in it, others are refused (L1). */
export const HOOK_TYPES = [
  'PreToolUse',
  'PostToolUse',
  'Stop',
  'Notification',
  'SubagentStop',
  'AgentStart',
  'AgentStop',
  'Error',
] as const;
export type HookType = (typeof HOOK_TYPES)[number];

/** What the source tells by itself: a call that nobody was asked about, a session that went silent. */
export const HOOK_BYPASSED = 'agent.hook-bypassed';
export const SESSION_EXPIRED = 'agent.session-expired';
/** Somebody asked who may not, or in the name of another. */
export const CALLER_REFUSED = 'agent.caller-refused';

/** One event of one agent, as whoever judges it sees it. */
export interface AgentCall {
  /** `PreToolUse`; unknown ones as the runtime names them. */
  readonly name: string;
  /** Which runtime's form it came in. */
  readonly dialect: string;
  readonly session: string;
  /** '' where the runtime does not say. */
  readonly agent: string;
  readonly parentAgent: string;
  readonly agentType: string;
  /** '' for events that are about no tool. */
  readonly tool: string;
  readonly toolUseId: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Of a Post: whatever the tool gave; undefined otherwise. */
  readonly response: unknown;
  readonly cwd: string;
  /** What a person or the agent says: a prompt, a notification, a reason. */
  readonly text: string;
  /** 1 is most urgent, 10 least (spec leanvibe B1). */
  readonly priority: number;
  readonly correlation: string;
  /** The rest, as it came: `permission_mode`, `source`, `metadata` … */
  readonly more: Readonly<Record<string, unknown>>;
  /** Parts were larger than allowed and are cut. */
  readonly truncated: boolean;
  /** Who asks, as far as the node could find out. */
  readonly peer: AgentPeer;
}

export interface AgentPeer {
  /** Kubernetes namespace and name of the pod; '' outside of one or where it is not known. */
  readonly namespace: string;
  readonly pod: string;
  /** Of the pod; '' where it is not known. */
  readonly podUid: string;
  /** Numeric user of the socket's other end; null over TCP. */
  readonly uid: number | null;
  readonly pid: number | null;
}

export const NO_PEER: AgentPeer = { namespace: '', pod: '', podUid: '', uid: null, pid: null };

/** `PreToolUse` → `agent.pre-tool-use`; any other writing of words likewise. */
export function agentEventType(name: string): string {
  const known = TYPES.get(name);
  if (known !== undefined) return known;
  const kebab = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .toLowerCase();
  return `agent.${kebab || 'unknown'}`;
}

const TYPES: ReadonlyMap<string, string> = new Map(
  AGENT_EVENTS.map((name) => [name, `agent.${name.replaceAll(/(?<=[a-z])([A-Z])/g, '-$1').toLowerCase()}`]),
);

/** Every type that is known beforehand. */
export const AGENT_EVENT_TYPES: readonly string[] = [...TYPES.values(), HOOK_BYPASSED, SESSION_EXPIRED, CALLER_REFUSED];

/** What a command, a path or an address is called in the inputs of the tools that runtimes bring. */
const COMMAND_KEYS = ['command', 'cmd', 'script'];
const PATH_KEYS = ['file_path', 'notebook_path', 'path', 'absolute_path', 'filename'];
const URL_KEYS = ['url', 'uri'];

/** The shell text that a tool is to run; '' for tools that run none. A list is one command with its arguments. */
export function commandOf({ input }: Pick<AgentCall, 'input'>): string {
  for (const key of COMMAND_KEYS) {
    const value = input[key];
    if (typeof value === 'string') return withArguments(value, input.args ?? input.arguments);
    if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return quoted(value);
  }
  return '';
}

/** A program and its arguments apart: nothing of them is shell text. */
function withArguments(command: string, args: unknown): string {
  if (!Array.isArray(args) || args.length === 0 || !args.every((word) => typeof word === 'string')) return command;
  return quoted([command, ...args]);
}

function quoted(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

export function pathOf({ input }: Pick<AgentCall, 'input'>): string {
  return firstText(input, PATH_KEYS);
}

export function urlOf({ input }: Pick<AgentCall, 'input'>): string {
  return firstText(input, URL_KEYS);
}

function firstText(input: Readonly<Record<string, unknown>>, keys: readonly string[]): string {
  for (const key of keys) {
    const value = input[key];
    if (typeof value === 'string') return value;
  }
  return '';
}

/** What the event says of the call: everything that conditions may ask for. */
export function agentDraft(
  call: AgentCall,
  time: number,
): Pick<
  EventDraft,
  'type' | 'subject' | 'time' | 'interface' | 'namespace' | 'messageType' | 'eventType' | 'attributes'
> {
  return {
    type: agentEventType(call.name),
    subject: call.tool || call.session,
    time,
    interface: '',
    namespace: call.peer.namespace,
    messageType: 0,
    eventType: 0,
    attributes: attributesOf(call),
  };
}

function attributesOf(call: AgentCall): Attributes {
  const { peer } = call;
  return {
    'agent.event': call.name,
    'agent.dialect': call.dialect,
    'agent.session': call.session,
    'agent.priority': call.priority,
    'agent.id': given(call.agent),
    'agent.parent': given(call.parentAgent),
    'agent.type': given(call.agentType),
    'agent.tool': given(call.tool),
    'agent.tool_use_id': given(call.toolUseId),
    'agent.correlation': given(call.correlation),
    'agent.cwd': given(call.cwd),
    'agent.text': given(call.text),
    'agent.command': given(commandOf(call)),
    'agent.path': given(pathOf(call)),
    'agent.url': given(urlOf(call)),
    'agent.input': call.tool === '' ? undefined : JSON.stringify(call.input),
    'agent.response': call.response === undefined ? undefined : textOrJson(call.response),
    'agent.success': successOf(call),
    'agent.truncated': call.truncated ? true : undefined,
    'agent.pod': given(peer.pod),
    'agent.pod_uid': given(peer.podUid),
    'agent.uid': peer.uid ?? undefined,
    'agent.pid': peer.pid ?? undefined,
  };
}

/** What the runtime or the tool says of how it went; undefined: nothing. */
function successOf({ more, response }: AgentCall): boolean | undefined {
  const said = more.success ?? objectOf(response).success;
  return typeof said === 'boolean' ? said : undefined;
}

function given(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function textOrJson(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

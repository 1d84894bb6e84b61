/** Why a hook would run for an event or not, as data; `hooks test` prints it. */
import {
  compileCondition,
  dedupKey,
  durationText,
  type Explanation,
  FIELDS,
  type Hook,
  hookId,
  loadCel,
  type TrotlineEvent,
} from '#core';

/** One thing that must hold before the hook runs. */
export interface ExplainedPart {
  readonly part: 'enabled' | 'source' | 'eventTypes' | 'condition' | 'cel';
  /** What the hook says; '' where it says nothing. */
  readonly says: string;
  readonly holds: boolean;
  /** What the event has instead, when it does not hold. */
  readonly why: string;
  /** The condition, part by part. */
  readonly tree?: Explanation;
}

export interface ExplainedAction {
  readonly type: string;
  /** The one thing that matters: the program, the address. */
  readonly what: string;
}

/** The answer to `hooks test`. */
export interface HookExplanation {
  readonly hook: string;
  readonly event: Pick<TrotlineEvent, 'id' | 'type' | 'subject' | 'node' | 'time'>;
  readonly wouldRun: boolean;
  readonly parts: readonly ExplainedPart[];
  readonly mode: 'enforce' | 'audit';
  /** `30 per 1m`; null: no limit. */
  readonly limit: string | null;
  /** Null: no deduplication. `key`: what this event's incident is called, after the hook. */
  readonly dedup: {
    readonly scope: string;
    readonly window: string;
    readonly key: Readonly<Record<string, string>>;
  } | null;
  /** How long the first waits for the others of its incident; null: each event for itself. */
  readonly groupWait: string | null;
  readonly actions: readonly ExplainedAction[];
}

/** Evaluates every part, also those behind one that does not hold. */
export async function explainHook(hook: Hook, event: TrotlineEvent): Promise<HookExplanation> {
  const { spec } = hook;
  const parts = [
    enabledPart(hook),
    sourcePart(hook, event),
    typesPart(hook, event),
    conditionPart(hook, event),
    ...(spec.cel === undefined ? [] : [await celPart(spec.cel, event)]),
  ];
  const { id, type, subject, node, time } = event;
  return {
    hook: hookId(hook),
    event: { id, type, subject, node, time },
    wouldRun: parts.every(({ holds }) => holds),
    parts,
    mode: spec.mode,
    limit: spec.limit ? `${spec.limit.count} per ${durationText(spec.limit.per)}` : null,
    dedup: dedupOf(hook, event),
    groupWait: spec.group ? durationText(spec.group.wait) : null,
    actions: spec.actions.map((action) => ({ type: action.type, what: whatOf(action.config) })),
  };
}

function enabledPart({ spec: { enabled } }: Hook): ExplainedPart {
  return { part: 'enabled', says: String(enabled), holds: enabled, why: enabled ? '' : 'the hook is disabled' };
}

function sourcePart({ spec: { source } }: Hook, event: TrotlineEvent): ExplainedPart {
  const actual = event.type.slice(0, Math.max(0, event.type.indexOf('.')));
  const holds = source === '' || source === actual;
  return { part: 'source', says: source, holds, why: holds ? '' : `the event is of ${actual}` };
}

function typesPart({ spec: { eventTypes } }: Hook, event: TrotlineEvent): ExplainedPart {
  const holds = eventTypes.length === 0 || eventTypes.includes(event.type);
  const says = eventTypes.map(shortType).join(', ');
  return { part: 'eventTypes', says, holds, why: holds ? '' : `the event is ${shortType(event.type)}` };
}

function conditionPart({ spec: { condition } }: Hook, event: TrotlineEvent): ExplainedPart {
  const tree = compileCondition(condition).explain(event);
  return { part: 'condition', says: condition, holds: tree.value, why: '', tree };
}

async function celPart(cel: string, event: TrotlineEvent): Promise<ExplainedPart> {
  const tree = (await loadCel())(cel).explain(event);
  return { part: 'cel', says: cel, holds: tree.value, why: tree.failed ?? '', tree };
}

function dedupOf({ spec: { source, dedup, group } }: Hook, event: TrotlineEvent): HookExplanation['dedup'] {
  if (!dedup || dedup.scope === 'none') return null;
  const entries = (group?.by ?? dedupKey(source, dedup)).map((field) => [field, fieldText(field, event)]);
  return { scope: dedup.scope, window: durationText(dedup.window), key: Object.fromEntries(entries) };
}

/** As sidecars read it; '' for what the event does not have. */
function fieldText(field: string, event: TrotlineEvent): string {
  if (field === 'node' || field === 'type' || field === 'subject') return event[field];
  return String(FIELDS.get(field)?.read(event) ?? '');
}

function whatOf(config: object): string {
  if ('script' in config && typeof config.script === 'string') return config.script;
  if ('command' in config && Array.isArray(config.command)) return config.command.join(' ');
  return 'url' in config && typeof config.url === 'string' ? config.url : '';
}

/** `netlink.link-added` → `link-added`. */
export function shortType(type: string): string {
  return type.slice(type.indexOf('.') + 1);
}

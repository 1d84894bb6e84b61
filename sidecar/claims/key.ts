import { dedupKey, FIELDS, type Hook, hookId, type TrotlineEvent } from '#core';

type Value = string | number | boolean | null;

/** Names of objects, which only their namespace makes unique. */
const OBJECT_NAMES: ReadonlySet<string> = new Set(['name', 'owner', 'owners', 'involved.name']);

/** Every key begins with the hook's namespace and name (design section 4). Values are JSON, so none can imitate another. */
export function claimKey(hook: Hook, event: TrotlineEvent): string {
  const { source, dedup, group } = hook.spec;
  const shared = group ? groupValues(group.by, event) : null;
  if (shared) return JSON.stringify([hookId(hook), { group: shared }]);
  const fields = dedup ? dedupKey(source, dedup) : [];
  return JSON.stringify([hookId(hook), ...fields.map((field) => valueOf(field, event))]);
}

/** Null: the event has none of these fields, and is an incident of its own. */
function groupValues(by: readonly string[], event: TrotlineEvent): Value[] | null {
  const values = by.map((field) => valueOf(field, event));
  if (values.every((value) => value === null || value === '')) return null;
  return by.some((field) => OBJECT_NAMES.has(field)) ? [event.namespace, ...values] : values;
}

function valueOf(field: string, event: TrotlineEvent): Value {
  if (field === 'node' || field === 'type' || field === 'subject') return event[field];
  const value = FIELDS.get(field)?.read(event) ?? null;
  return typeof value === 'bigint' ? value.toString() : value;
}

import { dedupKey, FIELDS, type Hook, hookId, type TrotlineEvent } from '#core';

/** Every key begins with the hook's namespace and name (design section 4). Values are JSON, so none can imitate another. */
export function claimKey(hook: Hook, event: TrotlineEvent): string {
  const { source, dedup } = hook.spec;
  const fields = dedup ? dedupKey(source, dedup) : [];
  return JSON.stringify([hookId(hook), ...fields.map((field) => valueOf(field, event))]);
}

function valueOf(field: string, event: TrotlineEvent): string | number | boolean | null {
  if (field === 'node' || field === 'type' || field === 'subject') return event[field];
  const value = FIELDS.get(field)?.read(event) ?? null;
  return typeof value === 'bigint' ? value.toString() : value;
}

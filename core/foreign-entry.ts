/** What the forms of others have in common: a list, each entry of which becomes one hook. */
import type { Issue } from './errors.ts';
import type { HookForm } from './event-hook.ts';

export interface ForeignEntry {
  readonly form: HookForm;
  /** JSON pointer of the entry in its document. */
  readonly base: string;
  readonly name: string | null;
  readonly namespace: string;
  /** Of the entry and of what holds it; pointers are the document's. */
  readonly issues: readonly Issue[];
  readonly warnings: readonly Issue[];
  /** The same as the spec of an EventHook; null where the entry is too broken to say. */
  readonly spec: object | null;
  /** A problem found in that spec, at the key of the document that caused it. */
  readonly place: <I extends Issue>(issue: I) => I;
}

/** Problems of a spec, by its pointers, at the keys of the entry at `base`; `elsewhere` are keys that are not the entry's. */
export function placedAt(
  base: string,
  keys: Readonly<Record<string, string>>,
  elsewhere: Readonly<Record<string, string>> = {},
): ForeignEntry['place'] {
  const pointerOf = (path: string): string => {
    const other = elsewhere[path];
    if (other !== undefined) return other;
    const key = Object.keys(keys).find((known) => path === known || path.startsWith(`${known}/`));
    return key === undefined ? base : `${base}${keys[key]}${path.slice(key.length)}`;
  };
  return (issue) => ({ ...issue, path: pointerOf(issue.path) });
}

export function under(base: string): <I extends Issue>(issue: I) => I {
  return (issue) => ({ ...issue, path: `${base}${issue.path}` });
}

/** Names of hooks that have none of their own: what they are for, numbered where it comes again. */
export function numbered(holder: string, kinds: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return kinds.map((kind) => {
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count === 1 ? `${holder}.${kind}` : `${holder}.${kind}.${count}`;
  });
}

/** Text as a literal of the filter language. */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}

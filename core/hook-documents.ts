/** Every form of document that holds hooks, read into the one model (design section 4). The unit is the hook. */
import { readDocuments, type SourceDocument } from './documents.ts';
import { ConfigError, type Issue } from './errors.ts';
import { createHook, EventHookDocument, type Hook, type HookForm, hookId, OWN_NAMESPACE } from './event-hook.ts';
import { type CheckedSpec, checkHookSpec, type Vocabulary } from './hook-check.ts';
import { NlmonHook, nlmonHooks, nlmonPath, nlmonSpec } from './nlmon-form.ts';
import { checkConfig, isObject } from './schema.ts';

/** A hook that was not accepted; `id` is null when not even its name could be read. */
export interface RefusedHook {
  readonly id: string | null;
  readonly file: string;
  readonly issues: readonly Issue[];
}

export interface ReadHooks {
  readonly hooks: readonly Hook[];
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
}

/** One hook of a document before its spec is checked. Pointers of `issues` are the document's. */
interface Candidate {
  readonly base: string;
  readonly name: string | null;
  readonly namespace: string;
  readonly form: HookForm;
  readonly issues: readonly Issue[];
  readonly checked: CheckedSpec;
}

/**
 * Reads one file. Throws a ConfigError when it is not YAML or holds none of the known forms: then its hooks stay as they
 * were. Otherwise each hook is accepted or refused on its own, with every problem at once.
 */
export function readHookFile(text: string, file: string, vocabulary: Vocabulary): ReadHooks {
  const hooks: Hook[] = [];
  const refused: RefusedHook[] = [];
  const warnings: Issue[] = [];
  for (const document of readDocuments(text, file)) {
    for (const candidate of candidatesOf(document, vocabulary)) {
      const { name, namespace, form, base, checked } = candidate;
      warnings.push(...checked.warnings.map((issue) => document.place(issue, issue.offset)));
      const issues = [...candidate.issues, ...checked.issues.map((issue) => document.place(issue, issue.offset))];
      if (issues.length > 0 || name === null || checked.spec === null) {
        refused.push({ id: name === null ? null : `${namespace}/${name}`, file, issues });
        continue;
      }
      const { line = 1 } = document.place({ path: base, message: '' });
      hooks.push(createHook({ name, namespace, form, spec: checked.spec, origin: { file, line } }));
    }
  }
  return { hooks, refused, warnings };
}

/** Of hooks with one name the first, by the order given, stays; the later ones are refused. */
export function refuseDuplicates(hooks: readonly Hook[]): { hooks: Hook[]; refused: RefusedHook[] } {
  const first = new Map<string, Hook>();
  const refused: RefusedHook[] = [];
  for (const hook of hooks) {
    const id = hookId(hook);
    const earlier = first.get(id);
    if (earlier) refused.push({ id, file: hook.origin?.file ?? '', issues: [duplicateIssue(hook, earlier)] });
    else first.set(id, hook);
  }
  return { hooks: [...first.values()], refused };
}

function duplicateIssue(hook: Hook, earlier: Hook): Issue {
  const at = earlier.origin ? ` at ${earlier.origin.file}:${earlier.origin.line}` : '';
  const place = hook.origin ? { file: hook.origin.file, line: hook.origin.line, column: 1 } : {};
  return { path: '', message: `the name "${hook.name}" is already used${at}`, expected: 'a name of its own', ...place };
}

function candidatesOf(document: SourceDocument, vocabulary: Vocabulary): Candidate[] {
  const { value } = document;
  if (isObject(value) && value.kind === 'EventHook') return [eventHookCandidate(document, value, vocabulary)];
  const list = nlmonHooks(value);
  if (list) return list.map((entry, index) => nlmonCandidate(document, entry, index, vocabulary));
  const message = 'is none of the known forms';
  const expected = '`kind: EventHook` with `apiVersion: trotline.dev/v1alpha1`, or a list at `nlmon.integration.hooks`';
  throw new ConfigError(document.file, [document.place({ path: '', message, expected })]);
}

function eventHookCandidate(
  document: SourceDocument,
  value: Record<string, unknown>,
  vocabulary: Vocabulary,
): Candidate {
  const { spec, ...head } = value;
  const { partial, issues } = checkConfig(EventHookDocument, head);
  const metadata = isObject(partial) && isObject(partial.metadata) ? partial.metadata : {};
  return {
    base: '',
    name: textOf(metadata.name),
    namespace: textOf(metadata.namespace) ?? OWN_NAMESPACE,
    form: 'EventHook',
    issues: issues.map((issue) => document.place(issue)),
    checked: at('/spec', checkHookSpec(spec ?? {}, 'EventHook', vocabulary)),
  };
}

function nlmonCandidate(document: SourceDocument, entry: unknown, index: number, vocabulary: Vocabulary): Candidate {
  const base = `/nlmon/integration/hooks/${index}`;
  const { value, issues } = checkConfig(NlmonHook, entry);
  const checked = checkHookSpec(value === null ? soundPart(entry) : nlmonSpec(value), 'nlmon', vocabulary);
  const own = { ...checked, issues: checked.issues.map(nlmonPath), warnings: checked.warnings.map(nlmonPath) };
  return {
    base,
    name: isObject(entry) ? textOf(entry.name) : null,
    namespace: OWN_NAMESPACE,
    form: 'nlmon',
    issues: issues.map((issue) => document.place({ ...issue, path: `${base}${issue.path}` })),
    checked: at(base, own),
  };
}

/** What of a broken nlmon entry can still be checked, so that all its problems come at once: the condition. */
function soundPart(entry: unknown): object {
  const condition = isObject(entry) && typeof entry.condition === 'string' ? entry.condition : '';
  return nlmonSpec({ name: 'x', script: 'x', condition, timeout_ms: 0, enabled: true, async: false });
}

function at(base: string, { spec, issues, warnings }: CheckedSpec): CheckedSpec {
  const move = <I extends Issue>(issue: I): I => ({ ...issue, path: `${base}${issue.path}` });
  return { spec, issues: issues.map(move), warnings: warnings.map(move) };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

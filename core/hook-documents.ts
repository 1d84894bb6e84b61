/** Every form of document that holds hooks, read into the one model (design section 4). The unit is the hook. */
import { readDocuments, type SourceDocument } from './documents.ts';
import { ConfigError, type Issue } from './errors.ts';
import {
  API_VERSION,
  createHook,
  EventHookDocument,
  type Hook,
  type HookForm,
  hookId,
  OWN_NAMESPACE,
} from './event-hook.ts';
import { type CheckedSpec, checkHookSpec, type Vocabulary } from './hook-check.ts';
import { NlmonHook, nlmonHooks, nlmonPath, nlmonSpec, soundPart } from './nlmon-form.ts';
import { isObject } from './pointer.ts';
import { checkConfig } from './schema.ts';

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
  const documents = readDocuments(text, file).map((document) => ({
    document,
    candidates: candidatesOf(document, vocabulary),
  }));
  const unknown = documents.flatMap(({ candidates }) => ('message' in candidates ? [candidates] : []));
  if (unknown.length > 0) throw new ConfigError(file, unknown);

  const hooks: Hook[] = [];
  const refused: RefusedHook[] = [];
  const warnings: Issue[] = [];
  for (const { document, candidates } of documents) {
    for (const { name, namespace, form, base, checked, issues: own } of 'message' in candidates ? [] : candidates) {
      const placed = ({ offset, ...issue }: CheckedSpec['issues'][number]): Issue => document.place(issue, offset);
      warnings.push(...checked.warnings.map(placed));
      const issues = [...own, ...checked.issues].map(placed);
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

function candidatesOf(document: SourceDocument, vocabulary: Vocabulary): Candidate[] | Issue {
  const { value } = document;
  if (isObject(value) && value.kind === 'EventHook') return [eventHookCandidate(value, vocabulary)];
  const list = nlmonHooks(value);
  if (list === null) return [];
  if (Array.isArray(list)) return list.map((entry, index) => nlmonCandidate(entry, index, vocabulary));
  if (list !== undefined) return document.place({ path: NLMON_LIST, message: 'must be a list' });
  const message = 'is none of the known forms';
  const expected = `\`kind: EventHook\` with \`apiVersion: ${API_VERSION}\`, or a list at \`nlmon.integration.hooks\``;
  return document.place({ path: '', message, expected });
}

const NLMON_LIST = '/nlmon/integration/hooks';
const NO_SPEC: CheckedSpec = { spec: null, issues: [{ path: '', message: 'is required' }], warnings: [] };

function eventHookCandidate(value: Record<string, unknown>, vocabulary: Vocabulary): Candidate {
  const { spec, ...head } = value;
  const { partial, issues } = checkConfig(EventHookDocument, head);
  const metadata = isObject(partial) && isObject(partial.metadata) ? partial.metadata : {};
  return {
    base: '',
    name: textOf(metadata.name),
    namespace: textOf(metadata.namespace) ?? OWN_NAMESPACE,
    form: 'EventHook',
    issues,
    checked: at('/spec', spec === undefined ? NO_SPEC : checkHookSpec(spec, 'EventHook', vocabulary)),
  };
}

function nlmonCandidate(entry: unknown, index: number, vocabulary: Vocabulary): Candidate {
  const base = `${NLMON_LIST}/${index}`;
  const { value, issues } = checkConfig(NlmonHook, entry);
  const checked = checkHookSpec(nlmonSpec(value ?? soundPart(entry)), 'nlmon', vocabulary);
  const own = { ...checked, issues: checked.issues.map(nlmonPath), warnings: checked.warnings.map(nlmonPath) };
  return {
    base,
    name: isObject(entry) ? textOf(entry.name) : null,
    namespace: OWN_NAMESPACE,
    form: 'nlmon',
    issues: issues.map(under(base)),
    checked: at(base, own),
  };
}

function at(base: string, { spec, issues, warnings }: CheckedSpec): CheckedSpec {
  return { spec, issues: issues.map(under(base)), warnings: warnings.map(under(base)) };
}

function under(base: string): <I extends Issue>(issue: I) => I {
  return (issue) => ({ ...issue, path: `${base}${issue.path}` });
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

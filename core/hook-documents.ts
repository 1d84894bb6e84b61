/** Every form of document that holds hooks, read into the one model (design section 4). The unit is the hook. */
import { parse } from 'node:path';

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
import {
  agentOf,
  KhookDocument,
  KhookEntry,
  khookNames,
  khookPath,
  KhookSpec,
  khookSpec,
  soundEntry,
} from './khook-form.ts';
import { NlmonHook, nlmonHooks, nlmonPath, nlmonSpec, soundPart } from './nlmon-form.ts';
import { claudeEntries, isClaudeSettings } from './claude-settings-form.ts';
import { type ForeignEntry, under } from './foreign-entry.ts';
import { isKagentAgent, KAGENT_LIST, kagentEntries, kagentHooks } from './kagent-hooks-form.ts';
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
  if (isObject(value) && value.kind === 'Hook') return khookCandidates(value, vocabulary);
  if (isKagentAgent(value)) return kagentCandidates(document, value, vocabulary);
  if (isClaudeSettings(value)) return claudeCandidates(document, value, vocabulary);
  const list = nlmonHooks(value);
  if (list === null) return [];
  if (Array.isArray(list)) return list.map((entry, index) => nlmonCandidate(entry, index, vocabulary));
  if (list !== undefined) return document.place({ path: NLMON_LIST, message: 'must be a list' });
  const message = 'is none of the known forms';
  const expected = `\`kind: EventHook\` with \`apiVersion: ${API_VERSION}\`, \`kind: Hook\` of khook, \`kind: Agent\` of kagent, \`hooks\` of Claude Code, or a list at \`nlmon.integration.hooks\``;
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

function kagentCandidates(
  document: SourceDocument,
  value: Record<string, unknown>,
  vocabulary: Vocabulary,
): Candidate[] | Issue {
  const list = kagentHooks(value);
  if (list === null) return document.place({ path: KAGENT_LIST, message: 'must be a list' });
  return kagentEntries(value, list).map((entry) => foreignCandidate(entry, vocabulary));
}

/** The hooks are called after their file: there is nothing else that has a name. */
function claudeCandidates(
  document: SourceDocument,
  value: Record<string, unknown>,
  vocabulary: Vocabulary,
): Candidate[] | Issue {
  const entries = claudeEntries(value, parse(document.file).name);
  if ('message' in entries) return document.place(entries);
  return entries.map((entry) => foreignCandidate(entry, vocabulary));
}

function foreignCandidate(entry: ForeignEntry, vocabulary: Vocabulary): Candidate {
  const { base, name, namespace, form, issues, place, spec } = entry;
  const found = spec === null ? { spec: null, issues: [], warnings: [] } : checkHookSpec(spec, form, vocabulary);
  const checked = {
    spec: found.spec,
    issues: found.issues.map(place),
    warnings: [...entry.warnings, ...found.warnings.map(place)],
  };
  return { base, name, namespace, form, issues, checked };
}

/** Each entry is a hook of its own; what is wrong with the Hook itself refuses all of them. */
function khookCandidates(value: Record<string, unknown>, vocabulary: Vocabulary): Candidate[] {
  const { spec, ...head } = value;
  const { partial, issues } = checkConfig(KhookDocument, head);
  const metadata = isObject(partial) && isObject(partial.metadata) ? partial.metadata : {};
  const hook = textOf(metadata.name);
  // Its name goes into a condition: what is none goes nowhere.
  const namespace = issues.length === 0 ? (textOf(metadata.namespace) ?? 'default') : 'unknown';
  const shape = checkConfig(KhookSpec, spec).issues;
  const list = isObject(spec) && Array.isArray(spec.eventConfigurations) ? spec.eventConfigurations : [];
  const ofWhole = shape.filter(({ path }) => !path.startsWith(`${KHOOK_LIST}/`)).map(under('/spec'));
  const names = khookNames(hook ?? 'unknown', list);
  const whole = [...issues, ...(spec === undefined ? [{ path: '/spec', message: 'is required' }] : ofWhole)];
  if (list.length === 0)
    return [{ base: '', name: hook, namespace, form: 'Hook', issues: whole, checked: { ...NO_SPEC, issues: [] } }];
  return list.map((entry: unknown, index) => {
    const base = `/spec${KHOOK_LIST}/${index}`;
    const own = shape.filter(
      ({ path }) => path.startsWith(`${KHOOK_LIST}/${index}/`) || path === `${KHOOK_LIST}/${index}`,
    );
    const checked = khookEntry(entry, namespace, vocabulary, own.length > 0);
    const name = hook === null ? null : (names[index] ?? null);
    return {
      base,
      name,
      namespace,
      form: 'Hook',
      issues: [...whole, ...own.map(under('/spec'))],
      checked: at(base, checked),
    };
  });
}

const KHOOK_LIST = '/eventConfigurations';

function khookEntry(entry: unknown, namespace: string, vocabulary: Vocabulary, isBroken: boolean): CheckedSpec {
  const { value } = checkConfig(KhookEntry, entry);
  const found = agentOf(value ?? soundEntry(entry), namespace);
  if ('issue' in found) return { spec: null, issues: [found.issue], warnings: [] };
  if (isBroken || value === null) return { spec: null, issues: [], warnings: [] };
  const checked = checkHookSpec(khookSpec(value, found.agent, namespace), 'Hook', vocabulary);
  return { ...checked, issues: checked.issues.map(khookPath), warnings: checked.warnings.map(khookPath) };
}

function at(base: string, { spec, issues, warnings }: CheckedSpec): CheckedSpec {
  return { spec, issues: issues.map(under(base)), warnings: warnings.map(under(base)) };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

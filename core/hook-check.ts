import { agentEventType } from './agent.ts';
import { type CompileCel, loadCel } from './cel/index.ts';
import { AppError, errorText, type Issue } from './errors.ts';
import { defaultDedup, EventHookSpec, type HookForm } from './event-hook.ts';
import { compileCondition, type Condition, FIELDS, FilterError } from './filter/index.ts';
import { imageProblem } from './image-reference.ts';
import { didYouMean } from './nearest.ts';
import { deepFreeze, isObject } from './pointer.ts';
import { checkConfig, type ObjectSchema } from './schema.ts';

/** What a hook may name: the actions with their schemas, the sources with the events they emit. */
export interface Vocabulary {
  readonly actions: ReadonlyMap<string, ObjectSchema>;
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Checks `cel`; without it, a hook that has `cel` is refused. */
  readonly cel?: CompileCel;
}

/** The vocabulary of who checks hooks: with CEL, which is loaded for it. */
export async function withCel(vocabulary: Vocabulary): Promise<Vocabulary> {
  return { ...vocabulary, cel: await loadCel() };
}

export interface CheckedSpec {
  /** Null when there are issues. */
  readonly spec: EventHookSpec | null;
  /** Pointers are inside the spec; `offset` counts UTF-16 units inside a condition's text. */
  readonly issues: readonly Placed[];
  readonly warnings: readonly Placed[];
}

type Placed = Issue & { readonly offset?: number };
type Action = EventHookSpec['actions'][number];

/** Everything about a spec that can be known without running it: schema, actions' own schemas, names, condition. */
export function checkHookSpec(input: unknown, form: HookForm, vocabulary: Vocabulary): CheckedSpec {
  const { value, partial, issues: shape } = checkConfig(EventHookSpec, input);
  const issues: Placed[] = [...shape];
  const warnings: Placed[] = [];
  // Each part that has its type is checked, whatever is wrong with the others.
  const part = isObject(partial) ? partial : {};
  const source = typeof part.source === 'string' ? part.source : '';
  const eventTypes = listOf(part.eventTypes).map((type, index) =>
    typeof type === 'string' ? canonicalType(type, index, source, vocabulary, issues) : '',
  );
  checkSource(source, vocabulary, issues);
  if (typeof part.condition === 'string')
    checkCondition('condition', part.condition, compileCondition, issues, warnings);
  if (typeof part.cel === 'string' && part.cel !== '')
    checkCondition('cel', part.cel, vocabulary.cel ?? noCel, issues, warnings);
  if (isObject(part.dedup)) checkFields(listOf(part.dedup.key), '/dedup/key', issues);
  if (isObject(part.group)) checkGroup(part.group, part, issues);
  const actions = listOf(part.actions).map((action, index) => checkAction(action, index, form, vocabulary, issues));

  if (value === null || issues.length > 0) return { spec: null, issues, warnings };
  const dedup = value.dedup ?? defaultDedup(value);
  const spec = { ...value, eventTypes, ...(dedup ? { dedup } : {}), actions };
  return { spec: deepFreeze(spec), issues, warnings };
}

function checkAction(
  action: unknown,
  index: number,
  form: HookForm,
  { actions: known }: Vocabulary,
  issues: Placed[],
): Action {
  const { type, config }: { type?: unknown; config?: unknown } = isObject(action) ? action : {};
  const given = { type: typeof type === 'string' ? type : '', config: isObject(config) ? config : {} };
  if (typeof type !== 'string') return given;
  const path = `/actions/${index}`;
  const schema = known.get(type);
  if (!schema) {
    const names = [...known.keys()];
    const message = `unknown action "${type}"${didYouMean(type, names)}`;
    issues.push({ path: `${path}/type`, message, expected: `one of ${names.join(', ')}` });
    return given;
  }
  const checked = checkConfig(schema, given.config);
  for (const issue of checked.issues) issues.push({ ...issue, path: `${path}/config${issue.path}` });
  if (!SHELL_FORMS.has(form) && type === 'script') checkProgram(given.config, `${path}/config`, issues);
  return { type, config: isObject(checked.value) ? checked.value : given.config };
}

/** Their programs are shell text, or any path. */
const SHELL_FORMS: ReadonlySet<HookForm> = new Set(['nlmon', 'claude-code']);

/** What the script action's schema cannot say, for it serves these documents too. `./` is the document's folder. */
function checkProgram(
  { command, script, ref }: { command?: unknown; script?: unknown; ref?: unknown },
  path: string,
  issues: Placed[],
): void {
  if (script !== undefined) {
    const message = "shell text is for nlmon's and Claude Code's documents only";
    issues.push({ path: `${path}/script`, message, expected: '`command`, a list' });
  } else if (command === undefined) {
    issues.push({ path: `${path}/command`, message: 'is required' });
  }
  const problem = typeof ref === 'string' ? imageProblem(ref) : null;
  if (problem !== null) issues.push({ path: `${path}/ref`, message: problem });
  const program = listOf(command)[0];
  if (typeof program !== 'string' || (ref === undefined ? /^\.?\// : /^\//).test(program)) return;
  const message = `${JSON.stringify(program)} is no place of a program`;
  issues.push({
    path: `${path}/command/0`,
    message,
    expected:
      ref === undefined ? 'an absolute path, or ./ and a path beside the document' : 'an absolute path in the image',
  });
}

function checkSource(source: string, { sources }: Vocabulary, issues: Placed[]): void {
  if (source === '' || sources.has(source)) return;
  const names = [...sources.keys()];
  const message = `unknown source "${source}"${didYouMean(source, names)}`;
  issues.push({ path: '/source', message, expected: `one of ${names.join(', ')}` });
}

/** Short names become canonical by the hook's source; names that a known source never emits are refused. */
function canonicalType(type: string, index: number, source: string, { sources }: Vocabulary, issues: Placed[]): string {
  const known = source === '' ? [...sources.values()].flat() : sources.get(source);
  if (!known) return type;
  const canonical =
    known.find((name) => name === type || shortName(name) === type) ?? runtimesName(type, source, known);
  if (canonical !== undefined) return canonical;
  const short = known.map(shortName);
  const message = `unknown event type "${type}"${didYouMean(type, [...short, ...known])}`;
  issues.push({ path: `/eventTypes/${index}`, message, expected: `one of ${short.join(', ')}` });
  return type;
}

/** `PreToolUse`, as agents' runtimes call it. What none is known to tell is heard as itself, so it may be named, too. */
function runtimesName(type: string, source: string, known: readonly string[]): string | undefined {
  if (!/^[A-Z][A-Za-z0-9]+$/.test(type)) return undefined;
  const canonical = agentEventType(type);
  return source === 'agent' || known.includes(canonical) ? canonical : undefined;
}

/** `netlink.link-added` → `link-added`. */
function shortName(eventType: string): string {
  return eventType.slice(eventType.indexOf('.') + 1);
}

function noCel(): never {
  throw new AppError('STATE_ILLEGAL', 'CEL cannot be checked here');
}

function checkCondition(
  key: 'condition' | 'cel',
  text: string,
  compile: (text: string) => Condition,
  issues: Placed[],
  warnings: Placed[],
): void {
  const path = `/${key}`;
  try {
    for (const { offset, message } of compile(text).warnings) warnings.push({ path, message, offset });
  } catch (error) {
    if (error instanceof FilterError)
      issues.push(...error.all.map(({ message, expected, offset }) => ({ path, message, expected, offset })));
    // A defect in here refuses this hook, and no other.
    else issues.push({ path, message: errorText(error) });
  }
}

/** What a key may name beside the fields of conditions. */
const IDENTITY = ['node', 'type', 'subject'];

function checkFields(key: readonly unknown[], path: string, issues: Placed[]): void {
  for (const [index, field] of key.entries()) {
    if (typeof field !== 'string' || IDENTITY.includes(field) || FIELDS.has(field)) continue;
    const message = `unknown field "${field}"${didYouMean(field, [...IDENTITY, ...FIELDS.keys()])}`;
    issues.push({ path: `${path}/${index}`, message, expected: 'node, type, subject or a field of conditions' });
  }
}

/** A group is a claim of the whole cluster by another key, which many events ask for at a time. */
function checkGroup(
  { by }: { readonly by?: unknown },
  { dedup, run }: { readonly dedup?: unknown; readonly run?: unknown },
  issues: Placed[],
): void {
  checkFields(listOf(by), '/group/by', issues);
  const { key, scope }: { key?: unknown; scope?: unknown } = isObject(dedup) ? dedup : {};
  if (key !== undefined)
    issues.push({
      path: '/dedup/key',
      message: 'excludes group',
      expected: '`group.by` alone says what one incident is',
    });
  if (scope !== undefined && scope !== 'cluster')
    issues.push({ path: '/dedup/scope', message: `${JSON.stringify(scope)} excludes group`, expected: 'cluster' });
  if (run === 'sync') issues.push({ path: '/run', message: '"sync" excludes group', expected: 'async' });
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

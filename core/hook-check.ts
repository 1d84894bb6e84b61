import type { Issue } from './errors.ts';
import { EventHookSpec, type HookForm } from './event-hook.ts';
import { compileCondition, FIELDS, FilterError } from './filter/index.ts';
import { nearest } from './nearest.ts';
import { checkConfig, type Infer, isObject, type ObjectSchema } from './schema.ts';

/** What a hook may name: the actions with their schemas, the sources with the events they emit. */
export interface Vocabulary {
  readonly actions: ReadonlyMap<string, ObjectSchema>;
  readonly sources: ReadonlyMap<string, readonly string[]>;
}

export interface CheckedSpec {
  /** Null when there are issues. */
  readonly spec: EventHookSpec | null;
  /** Pointers are inside the spec; `offset` counts UTF-16 units inside a condition's text. */
  readonly issues: readonly Placed[];
  readonly warnings: readonly Placed[];
}

type Placed = Issue & { readonly offset?: number };
type Spec = Infer<typeof EventHookSpec>;
const PARTS = EventHookSpec.properties;

/** Everything about a spec that can be known without running it: schema, actions' own schemas, names, condition. */
export function checkHookSpec(input: unknown, form: HookForm, vocabulary: Vocabulary): CheckedSpec {
  const { value, partial, issues: shape } = checkConfig(EventHookSpec, input);
  const issues: Placed[] = [...shape];
  const warnings: Placed[] = [];
  const part = isObject(partial) ? partial : {};

  const actions = checkActions(checkConfig(PARTS.actions, part.actions).value ?? [], form, vocabulary, issues);
  const source = checkConfig(PARTS.source, part.source).value;
  const types = checkConfig(PARTS.eventTypes, part.eventTypes).value ?? [];
  const eventTypes = source === null ? types : canonicalTypes(source, types, vocabulary, issues);
  if (typeof part.condition === 'string') checkCondition(part.condition, issues, warnings);
  const dedup = checkConfig(PARTS.dedup, part.dedup).value;
  checkDedupKey(dedup?.key ?? [], issues);

  const spec = value === null || issues.length > 0 ? null : { ...value, actions, eventTypes };
  return { spec, issues, warnings };
}

function checkActions(
  actions: Spec['actions'],
  form: HookForm,
  { actions: known }: Vocabulary,
  issues: Placed[],
): Spec['actions'] {
  return actions.map((action, index) => {
    const path = `/actions/${index}`;
    const schema = known.get(action.type);
    if (!schema) {
      const near = nearest(action.type, [...known.keys()]);
      const expected = `one of ${[...known.keys()].join(', ')}${near === undefined ? '' : `; did you mean "${near}"?`}`;
      issues.push({ path: `${path}/type`, message: `unknown action "${action.type}"`, expected });
      return action;
    }
    const checked = checkConfig(schema, action.config);
    for (const issue of checked.issues) issues.push({ ...issue, path: `${path}/config${issue.path}` });
    if (form !== 'nlmon' && action.type === 'script' && isObject(action.config) && 'script' in action.config) {
      issues.push({
        path: `${path}/config/script`,
        message: 'shell text is for nlmon documents only',
        expected: '`command`, a list',
      });
    }
    return { type: action.type, config: isObject(checked.value) ? checked.value : action.config };
  });
}

/** Short names become canonical by the hook's source; names that a known source never emits are refused. */
function canonicalTypes(source: string, types: readonly string[], { sources }: Vocabulary, issues: Placed[]): string[] {
  if (source !== '' && !sources.has(source)) {
    issues.push({
      path: '/source',
      message: `unknown source "${source}"`,
      expected: `one of ${[...sources.keys()].join(', ')}`,
    });
    return [...types];
  }
  const known = source === '' ? [...sources.values()].flat() : (sources.get(source) ?? []);
  return types.map((type, index) => {
    const canonical = known.find((name) => name === type || name.slice(name.indexOf('.') + 1) === type);
    if (canonical !== undefined) return canonical;
    const short = known.map((name) => name.slice(name.indexOf('.') + 1));
    const near = nearest(type, [...known, ...short]);
    const expected = `one of ${short.join(', ')}${near === undefined ? '' : `; did you mean "${near}"?`}`;
    issues.push({ path: `/eventTypes/${index}`, message: `unknown event type "${type}"`, expected });
    return type;
  });
}

function checkCondition(text: string, issues: Placed[], warnings: Placed[]): void {
  const path = '/condition';
  try {
    for (const { offset, message } of compileCondition(text).warnings) warnings.push({ path, message, offset });
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    issues.push({
      path,
      message: error.reason,
      offset: error.offset,
      ...(error.expected === undefined ? {} : { expected: error.expected }),
    });
  }
}

function checkDedupKey(key: readonly string[], issues: Placed[]): void {
  for (const [index, field] of key.entries()) {
    if (field === 'node' || field === 'type' || field === 'subject' || FIELDS.has(field)) continue;
    const known = ['node', 'type', 'subject', ...FIELDS.keys()];
    const near = nearest(field, known);
    issues.push({
      path: `/dedup/key/${index}`,
      message: `unknown field "${field}"`,
      expected: `node, type, subject or a field of conditions${near === undefined ? '' : `; did you mean "${near}"?`}`,
    });
  }
}

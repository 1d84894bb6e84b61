import type { Issue } from './errors.ts';
import { ForeignName } from './event-hook.ts';
import { isObject } from './pointer.ts';
import { checkConfig, type Infer, Type } from './schema.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** One entry of `nlmon.integration.hooks`, as nlmon documents it (spec nlmon C1, rows N1–N3). */
export const NlmonHook = Type.Object(
  {
    name: ForeignName,
    script: Type.String({ minLength: 1, description: 'Shell text, or one absolute path.' }),
    condition: Type.String({ default: '', description: 'Filter language; empty: always.' }),
    timeout_ms: Type.Integer({
      default: DEFAULT_TIMEOUT_MS,
      minimum: 0,
      description: 'Milliseconds; 0 is the default.',
    }),
    enabled: Type.Boolean({ default: true, description: 'Whether the hook takes events.' }),
    async: Type.Boolean({ default: false, description: 'false: later events of this hook wait.' }),
  },
  { additionalProperties: false },
);

/** What is at `nlmon.integration.hooks`; undefined where the document has no such key. */
export function nlmonHooks(document: unknown): unknown {
  const nlmon = isObject(document) ? document.nlmon : undefined;
  const integration = isObject(nlmon) ? nlmon.integration : undefined;
  return isObject(integration) ? integration.hooks : undefined;
}

/** The same hook as the spec of an EventHook. */
export function nlmonSpec(hook: Infer<typeof NlmonHook>): object {
  const timeout = hook.timeout_ms === 0 ? DEFAULT_TIMEOUT_MS : hook.timeout_ms;
  return {
    source: 'netlink',
    condition: hook.condition,
    enabled: hook.enabled,
    run: hook.async ? 'async' : 'sync',
    actions: [{ type: 'script', config: { script: hook.script, timeout } }],
  };
}

/** What of a broken entry is sound, the rest filled in, so that everything else is checked too. */
export function soundPart(entry: unknown): Infer<typeof NlmonHook> {
  const { properties } = NlmonHook;
  const given = isObject(entry) ? entry : {};
  const sound = <S extends keyof typeof properties>(key: S): Infer<(typeof properties)[S]> | undefined =>
    checkConfig(properties[key], given[key]).value ?? undefined;
  return {
    name: 'unknown',
    script: sound('script') ?? '/bin/true',
    condition: sound('condition') ?? '',
    timeout_ms: sound('timeout_ms') ?? DEFAULT_TIMEOUT_MS,
    enabled: true,
    async: false,
  };
}

const KEYS: Readonly<Record<string, string>> = {
  '/actions/0/config/script': '/script',
  '/actions/0/config/timeout': '/timeout_ms',
};

/** A problem found in the spec, at the key of the nlmon document that caused it. */
export function nlmonPath<I extends Issue>(issue: I): I {
  return { ...issue, path: KEYS[issue.path] ?? issue.path };
}

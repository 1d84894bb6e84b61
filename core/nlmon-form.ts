import type { Issue } from './errors.ts';
import { type Infer, isObject, Type } from './schema.ts';

/** One entry of `nlmon.integration.hooks`, as nlmon documents it (spec nlmon C1, rows N1–N3). */
export const NlmonHook = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 253, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f/]*$' }),
    script: Type.String({ minLength: 1, description: 'Shell text, or one absolute path.' }),
    condition: Type.String({ default: '' }),
    timeout_ms: Type.Integer({ default: 30_000, minimum: 0, description: 'Milliseconds; 0 is the default.' }),
    enabled: Type.Boolean({ default: true }),
    async: Type.Boolean({ default: false }),
  },
  { additionalProperties: false },
);

/** The list at `nlmon.integration.hooks`; undefined where the document has none. */
export function nlmonHooks(document: unknown): readonly unknown[] | undefined {
  const nlmon = isObject(document) ? document.nlmon : undefined;
  const integration = isObject(nlmon) ? nlmon.integration : undefined;
  const hooks = isObject(integration) ? integration.hooks : undefined;
  return Array.isArray(hooks) ? hooks : undefined;
}

/** The same hook as the spec of an EventHook. */
export function nlmonSpec(hook: Infer<typeof NlmonHook>): object {
  const timeout = hook.timeout_ms === 0 ? 30_000 : hook.timeout_ms;
  return {
    source: 'netlink',
    condition: hook.condition,
    enabled: hook.enabled,
    run: hook.async ? 'async' : 'sync',
    actions: [{ type: 'script', config: { script: hook.script, timeout } }],
  };
}

const KEYS: Readonly<Record<string, string>> = {
  '/actions/0/config/script': '/script',
  '/actions/0/config/timeout': '/timeout_ms',
  '/run': '/async',
};

/** A problem found in the spec, at the key of the nlmon document that caused it. */
export function nlmonPath<I extends Issue>(issue: I): I {
  return { ...issue, path: KEYS[issue.path] ?? issue.path };
}

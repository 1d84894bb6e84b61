import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

import {
  createHook,
  digestOf,
  errorText,
  EventHookSpec,
  type Hook,
  type HookForm,
  isObject,
  type Log,
  type ObjectSchema,
  parseConfig,
  type Vocabulary,
} from '#core';
import { redact } from '#plugins/schemas';

const FORMAT = 1;

/** The hooks that a sidecar ran last, to start from when the control plane is away. */
export interface LastGood {
  readonly version: string;
  readonly hooks: readonly Hook[];
}

/** Null when there is none or when it is not what was written; that is logged, and the control plane sends it anew. */
export async function readLastGood(path: string, log: Log): Promise<LastGood | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (!(isObject(error) && error.code === 'ENOENT'))
      log.warn({ path, error: errorText(error) }, 'last good config not read');
    return null;
  }
  try {
    return parseLastGood(JSON.parse(text));
  } catch (error) {
    log.warn({ path, error: errorText(error) }, 'last good config not usable');
    return null;
  }
}

/** Durable and whole: written beside, synced, then renamed. Secrets stay in memory only (design section 8). */
export async function writeLastGood(
  path: string,
  { version, hooks }: LastGood,
  { actions }: Vocabulary,
): Promise<void> {
  const body = {
    format: FORMAT,
    version,
    hooks: hooks.map(({ namespace, name, form, spec }) => ({
      namespace,
      name,
      form,
      spec: {
        ...spec,
        actions: spec.actions.map(({ type, config }) => ({ type, config: redacted(actions.get(type), config) })),
      },
    })),
  };
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ digest: digestOf(body), body }));
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

/** The configuration of an unknown action is not kept: nobody knows where its secrets are. */
function redacted(schema: ObjectSchema | undefined, config: object): unknown {
  return schema === undefined ? {} : redact(schema, config);
}

function parseLastGood(value: unknown): LastGood {
  if (!isObject(value) || !isObject(value.body) || value.digest !== digestOf(value.body))
    throw new Error('digest does not match');
  const { format, version, hooks } = value.body;
  if (format !== FORMAT) throw new Error(`format ${JSON.stringify(format)} is not ${FORMAT}`);
  if (typeof version !== 'string' || !Array.isArray(hooks)) throw new Error('version or hooks are missing');
  return { version, hooks: hooks.map(parseHook) };
}

function parseHook(value: unknown): Hook {
  if (!isObject(value) || typeof value.namespace !== 'string' || typeof value.name !== 'string')
    throw new Error('a hook has no name');
  const { namespace, name } = value;
  const form: HookForm = value.form === 'nlmon' ? 'nlmon' : 'EventHook';
  return createHook({
    namespace,
    name,
    form,
    spec: parseConfig(EventHookSpec, value.spec, `hook ${namespace}/${name}`),
    origin: null,
  });
}

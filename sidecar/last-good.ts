import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import {
  canonicalJson,
  type Clock,
  type Component,
  createHook,
  digestOf,
  errorText,
  EventHookSpec,
  type Hook,
  type HookForm,
  isHookForm,
  isObject,
  type Log,
  type ObjectSchema,
  parseConfig,
  type Vocabulary,
} from '#core';
import { redact } from '#plugins/schemas';

import { createSlices } from './slices.ts';

const FORMAT = 1;

/** The hooks that a sidecar ran last, to start from when the control plane is away. */
export interface LastGood {
  /** '' when it is not exactly what the control plane sent: without its secrets, or with an older version of a failed hook. */
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
    return parseLastGood(JSON.parse(text), log);
  } catch (error) {
    log.warn({ path, error: errorText(error) }, 'last good config not usable');
    return null;
  }
}

/** While the disk fails. */
const RETRY_MS = 1000;

export interface LastGoodFileOptions {
  readonly path: string;
  readonly vocabulary: Vocabulary;
  readonly clock: Clock;
  readonly log: Log;
}

/** Keeps the newest set on disk: what cannot be written now is written as soon as it can be. */
export class LastGoodFile implements Component {
  readonly #options: LastGoodFileOptions;
  readonly #halt = new AbortController();
  #next: LastGood | null = null;
  #writing: Promise<void> | null = null;
  #failing = false;

  constructor(options: LastGoodFileOptions) {
    this.#options = options;
  }

  /** Resolves when it is on disk, or after the first try that failed: what runs, runs, also when it cannot be kept yet. */
  async keep(lastGood: LastGood): Promise<void> {
    this.#next = lastGood;
    if (this.#failing) return;
    const tried = Promise.withResolvers<void>();
    this.#writing ??= this.#write(tried.resolve).finally(() => (this.#writing = null));
    await Promise.race([this.#writing, tried.promise]);
  }

  async stop(): Promise<void> {
    this.#halt.abort(new Error('stopped'));
    await this.#writing;
  }

  async #write(onFailure: () => void): Promise<void> {
    const { path, vocabulary, clock, log } = this.#options;
    while (this.#next !== null) {
      const lastGood = this.#next;
      try {
        await writeLastGood(path, lastGood, vocabulary);
        if (this.#failing) log.info({ path }, 'last good config written after all');
        this.#failing = false;
        if (this.#next === lastGood) this.#next = null;
      } catch (error) {
        if (!this.#failing) log.error({ path, error: errorText(error) }, 'last good config not written, tried again');
        this.#failing = true;
        onFailure();
        await clock.sleep(RETRY_MS, this.#halt.signal).catch(() => undefined);
        if (this.#halt.signal.aborted) return;
      }
    }
  }
}

/**
 * Durable and whole: written beside, synced, then renamed. Secrets stay in memory only (design section 8): a set that has
 * some is kept without its version, so that the control plane sends it again.
 */
export async function writeLastGood(
  path: string,
  { version, hooks }: LastGood,
  { actions }: Vocabulary,
): Promise<void> {
  const slice = createSlices();
  const kept: string[] = [];
  let whole = true;
  for (const { namespace, name, form, spec, digest } of hooks) {
    await slice();
    const bare = spec.actions.map(({ type, config }) => ({ type, config: redacted(actions.get(type), config) }));
    const body = { ...spec, actions: bare };
    whole &&= digestOf([form, body]) === digest;
    kept.push(canonicalJson({ namespace, name, form, spec: body }));
  }
  // The canonical JSON of `{ format, hooks, version }`, put together by hand: a thousand hooks at once would take too long.
  const parts = [
    `{"format":${FORMAT},"hooks":[`,
    kept.join(','),
    `],"version":${JSON.stringify(whole ? version : '')}}`,
  ];
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  // What an earlier process left there, a link even, is replaced and not followed.
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, 'wx', 0o600);
  try {
    await file.writeFile([`{"digest":"${digest.digest('hex')}","body":`, ...parts, '}']);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The configuration of an unknown action is not kept: nobody knows where its secrets are. */
function redacted(schema: ObjectSchema | undefined, config: object): unknown {
  return schema === undefined ? {} : redact(schema, config);
}

/** A single hook that this version of the sidecar does not take is left out; then the set is not whole. */
function parseLastGood(value: unknown, log: Log): LastGood {
  if (!isObject(value) || !isObject(value.body) || value.digest !== digestOf(value.body))
    throw new Error('digest does not match');
  const { format, version, hooks } = value.body;
  if (format !== FORMAT) throw new Error(`format ${JSON.stringify(format)} is not ${FORMAT}`);
  if (typeof version !== 'string' || !Array.isArray(hooks)) throw new Error('version or hooks are missing');
  const parsed = hooks.flatMap((hook: unknown) => {
    try {
      return [parseHook(hook)];
    } catch (error) {
      log.warn({ error: errorText(error) }, 'hook of the last good config not usable');
      return [];
    }
  });
  return { version: parsed.length === hooks.length ? version : '', hooks: parsed };
}

function parseHook(value: unknown): Hook {
  if (!isObject(value) || typeof value.namespace !== 'string' || typeof value.name !== 'string')
    throw new Error('a hook has no name');
  const { namespace, name } = value;
  const form: HookForm = isHookForm(value.form) ? value.form : 'EventHook';
  return createHook({
    namespace,
    name,
    form,
    spec: parseConfig(EventHookSpec, value.spec, `hook ${namespace}/${name}`),
    origin: null,
  });
}

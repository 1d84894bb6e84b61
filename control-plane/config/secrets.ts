import { readFileSync } from 'node:fs';

import { AppError, createHook, type Hook, type Issue } from '#core';
import { redact, resolveSecrets as fillIn, type SecretReference, vocabulary } from '#plugins/schemas';

/**
 * The hook with the secrets of its actions' configurations filled in: the one place where that happens, right before a
 * push. What cannot be read stays a reference, so that its action retries; `problems` say which, never a value.
 */
export function resolveSecrets(
  hook: Hook,
  read: (reference: SecretReference, namespace: string) => string,
): { readonly hook: Hook; readonly problems: readonly Issue[] } {
  const { spec, problems } = fillIn(hook.spec, vocabulary.actions, (reference) => read(reference, hook.namespace));
  const place = hook.origin ? { file: hook.origin.file, line: hook.origin.line } : {};
  return { hook: createHook({ ...hook, spec }), problems: problems.map((issue) => Object.assign({}, issue, place)) };
}

/** Secrets of the API server, as far as they are known here. */
export interface ClusterSecrets {
  /** Throws when there is no such Secret or key, or it is not read yet: whoever listens to `onChange` is told when it is. */
  read(namespace: string, name: string, key: string): string;
  onChange(listener: () => void): () => void;
}

const NO_CLUSTER: ClusterSecrets = {
  read: () => {
    throw new AppError('NOT_FOUND', 'there is no API server to read it from: expected { env } or { file }');
  },
  onChange: () => () => undefined,
};

/** Reads secrets and remembers what the files held, so that one that appears or is replaced is noticed. */
export class SecretReader {
  readonly #files = new Map<string, Reading>();
  readonly #cluster: ClusterSecrets;

  constructor(cluster: ClusterSecrets = NO_CLUSTER) {
    this.#cluster = cluster;
  }

  /** For a hook of this namespace. Throws when there is no such variable, file or Secret. */
  read(reference: SecretReference, namespace: string): string {
    if ('env' in reference) return variable(reference.env);
    if ('secretRef' in reference)
      return this.#cluster.read(namespace, reference.secretRef.name, reference.secretRef.key);
    const reading = this.#files.get(reference.file) ?? readingOf(reference.file);
    this.#files.set(reference.file, reading);
    if (reading.value === null) throw reading.error;
    return reading.value;
  }

  /** Whether a file holds another secret now than it did, or has one at last, or none any more. */
  get outdated(): boolean {
    return [...this.#files].some(([file, { value }]) => readingOf(file).value !== value);
  }
}

type Reading = { readonly value: string } | { readonly value: null; readonly error: unknown };

function readingOf(file: string): Reading {
  try {
    return { value: readFileSync(file, 'utf8') };
  } catch (error) {
    return { value: null, error };
  }
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new AppError('NOT_FOUND', `the control plane has no environment variable ${name}`);
  return value;
}

/** A hook as it may be shown: values of secrets are taken out of its actions, references stay. */
export function shownHook(hook: Hook): Hook {
  const actions = hook.spec.actions.map(({ type, config }) => {
    const schema = vocabulary.actions.get(type);
    return { type, config: schema ? asObject(redact(schema, config)) : {} };
  });
  return { ...hook, spec: { ...hook.spec, actions } };
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

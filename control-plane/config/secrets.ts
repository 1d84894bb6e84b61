import { readFileSync } from 'node:fs';

import { AppError, createHook, type Hook, type Issue } from '#core';
import { redact, resolveSecrets as fillIn, type SecretReference, vocabulary } from '#plugins/schemas';

/**
 * The hook with the secrets of its actions' configurations filled in: the one place where that happens, right before a
 * push. What cannot be read stays a reference, so that its action retries; `problems` say which, never a value.
 */
export function resolveSecrets(hook: Hook): { readonly hook: Hook; readonly problems: readonly Issue[] } {
  const { spec, problems } = fillIn(hook.spec, vocabulary.actions, readSecret);
  const place = hook.origin ? { file: hook.origin.file, line: hook.origin.line } : {};
  return { hook: createHook({ ...hook, spec }), problems: problems.map((issue) => Object.assign({}, issue, place)) };
}

function readSecret(reference: SecretReference): string {
  if ('file' in reference) return readFileSync(reference.file, 'utf8');
  const value = process.env[reference.env];
  if (value === undefined)
    throw new AppError('NOT_FOUND', `the control plane has no environment variable ${reference.env}`);
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

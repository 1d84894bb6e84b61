/** One reading of a directory of hooks, by the rules of design section 4: what is refused keeps its last good version. */
import { dirname, resolve } from 'node:path';

import {
  ConfigError,
  createHook,
  errorText,
  type Hook,
  hookId,
  type Issue,
  readHookFile,
  type ReadHooks,
  type RefusedHook,
  refuseDuplicates,
  type Vocabulary,
} from '#core';

import { toldIssues, toldReading } from './told-issues.ts';

/** A file of the directory as it was found; `problem` stands for a file that could not be read. */
export type HookFile =
  | { readonly file: string; readonly text: string }
  | { readonly file: string; readonly problem: string };

/** What a directory of hooks says, and what of it was refused. */
export interface HookFiles {
  /** In order of file name and position; unique by id. */
  readonly hooks: readonly Hook[];
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
  /** Ids of hooks that run on in an older version than the files have. */
  readonly kept: ReadonlySet<string>;
  /** What each file said, so that one whose text is the same is not read again. */
  readonly readings: ReadonlyMap<string, { readonly text: string; readonly read: ReadHooks }>;
}

export const NO_HOOK_FILES: HookFiles = {
  hooks: [],
  refused: [],
  warnings: [],
  kept: new Set(),
  readings: new Map(),
};

/** Reads the files, sorted by name. `before`, the previous reading, holds the last good versions. Never throws. */
export function readHookFiles(files: readonly HookFile[], vocabulary: Vocabulary, before: HookFiles): HookFiles {
  const refused: RefusedHook[] = [];
  const warnings: Issue[] = [];
  const kept = new Map<string, Hook>();
  const readings = new Map<string, { text: string; read: ReadHooks }>();
  const inOrder = files.flatMap((file) => {
    const read = readOne(file, vocabulary, before, readings);
    refused.push(...read.refused);
    warnings.push(...read.warnings);
    for (const { hook } of read.kept) kept.set(hookId(hook), hook);
    const placed = [...read.hooks.map((hook) => ({ hook, line: hook.origin?.line ?? 0 })), ...read.kept];
    return placed.sort((a, b) => a.line - b.line).map(({ hook }) => hook);
  });
  // A hook that moved to another file and is broken there.
  for (const { id } of refused) {
    const hook = before.hooks.find((known) => hookId(known) === id);
    if (!hook || id === null || inOrder.some((known) => hookId(known) === id)) continue;
    kept.set(id, hook);
    inOrder.push(hook);
  }
  const unique = refuseDuplicates(inOrder);
  const running = new Set(unique.hooks);
  return {
    hooks: unique.hooks,
    refused: [...refused, ...unique.refused],
    warnings,
    kept: new Set([...kept].filter(([, hook]) => running.has(hook)).map(([id]) => id)),
    readings,
  };
}

interface OneFile {
  readonly hooks: readonly Hook[];
  readonly refused: readonly RefusedHook[];
  readonly warnings: readonly Issue[];
  /** Last good versions, each at the line of the entry that was refused. */
  readonly kept: readonly { readonly hook: Hook; readonly line: number }[];
}

function readOne(
  source: HookFile,
  vocabulary: Vocabulary,
  before: HookFiles,
  readings: Map<string, { text: string; read: ReadHooks }>,
): OneFile {
  const { file } = source;
  const known = before.hooks.filter((hook) => hook.origin?.file === file);
  const atOwnLine = (hook: Hook): { hook: Hook; line: number } => ({ hook, line: hook.origin?.line ?? 0 });
  const whole = (issues: readonly Issue[]): OneFile => ({
    hooks: [],
    refused: [{ id: null, file, issues }],
    warnings: [],
    kept: known.map(atOwnLine),
  });
  if ('problem' in source) return whole([{ path: '', message: source.problem, file }]);
  const { text } = source;
  try {
    const earlier = before.readings.get(file);
    const read = earlier?.text === text ? earlier.read : readAnchored(text, file, vocabulary);
    readings.set(file, { text, read });
    const { hooks } = read;
    const ids = new Set(hooks.map(hookId));
    const kept = read.refused.flatMap(({ id, issues }) => {
      // An entry that lost its name may be any hook that is missing now: those stay.
      if (id === null) return known.filter((hook) => !ids.has(hookId(hook))).map(atOwnLine);
      const line = issues.find((issue) => issue.line !== undefined)?.line ?? 0;
      return known.filter((hook) => hookId(hook) === id).map((hook) => ({ hook, line }));
    });
    return { ...read, kept: firstOfEach(kept) };
  } catch (error) {
    return whole(
      error instanceof ConfigError
        ? toldIssues(error.issues, text, vocabulary)
        : [{ path: '', message: errorText(error), file }],
    );
  }
}

function firstOfEach<T extends { readonly hook: Hook }>(kept: readonly T[]): T[] {
  return kept.filter((entry, index) => kept.findIndex(({ hook }) => hook === entry.hook) === index);
}

function readAnchored(text: string, file: string, vocabulary: Vocabulary): ReadHooks {
  const read = toldReading(readHookFile(text, file, vocabulary), text, vocabulary);
  return { ...read, hooks: read.hooks.map((hook) => anchored(hook, file)) };
}

/** A program that begins with `./` is beside the hook's file, wherever that is. */
function anchored(hook: Hook, file: string): Hook {
  const actions = hook.spec.actions.map((action) => {
    const { command }: { command?: unknown } = action.config;
    const [program, ...rest]: unknown[] = Array.isArray(command) ? command : [];
    if (typeof program !== 'string' || !program.startsWith('./')) return action;
    return { ...action, config: { ...action.config, command: [resolve(dirname(file), program), ...rest] } };
  });
  const changed = actions.some((action, index) => action !== hook.spec.actions[index]);
  return changed ? createHook({ ...hook, spec: { ...hook.spec, actions } }) : hook;
}

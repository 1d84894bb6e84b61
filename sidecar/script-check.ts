/** Whether the node's policy lets a program run: where it is, who could have changed it, and as whom it would run. */
import { realpathSync, statSync } from 'node:fs';
import { dirname, relative } from 'node:path';

import { errorText, type Program } from '#core';

import type { NodePolicy } from './policy.ts';

export type ScriptVerdict =
  /** `path` is the program with every symbolic link resolved; null for shell text. */
  | { readonly allowed: true; readonly path: string | null; readonly warnings: readonly string[] }
  | { readonly allowed: false; readonly reason: string };

/** What the check asks of the file system. */
export interface ScriptFiles {
  realpath(path: string): string;
  stat(path: string): { readonly uid: number; readonly mode: number; isDirectory(): boolean };
}

export interface CheckScriptOptions {
  /** The sidecar's own user; besides root the only one who may own a program or a folder above it. */
  readonly uid?: number;
  readonly files?: ScriptFiles;
  /** Whether a path is in an image that the policy allows and a hook uses. */
  readonly inBundle?: (real: string) => boolean;
}

const GROUP_OR_WORLD_WRITABLE = 0o022;
/** In such a folder only its owner and a file's own owner can replace the file. */
const STICKY = 0o1000;

/** Asked before each run: files change. Takes a few system calls for each folder above the program. */
export function checkScript(policy: NodePolicy, program: Program, options: CheckScriptOptions = {}): ScriptVerdict {
  const { uid = process.getuid?.() ?? 0, files = { realpath: realpathSync, stat: statSync }, inBundle = no } = options;
  const { script } = policy;
  if (program.user !== null && !script.users.includes(program.user)) return refused(`user ${program.user}`);
  if (program.shell) return script.shell ? { allowed: true, path: null, warnings: [] } : refused('shell text');

  const [path = ''] = program.argv;
  if (!path.startsWith('/')) return refused(`${JSON.stringify(path)}: not an absolute path`);
  try {
    const real = files.realpath(path);
    const named = real === path ? path : `${path} (${real})`;
    if (!inBundle(real) && !script.directories.some((directory) => isBelow(real, directory, files))) {
      return refused(`${named}: ${outside(script.directories)}`);
    }
    const writable = writers(real, uid, files).map((problem) => `${named}: ${problem}`);
    if (script.writable === 'refuse' && writable.length > 0) return refused(writable.join('; '));
    return { allowed: true, path: real, warnings: writable };
  } catch (error) {
    return refused(`${path} cannot be checked: ${errorText(error)}`);
  }
}

const no = (): boolean => false;

function refused(what: string): ScriptVerdict {
  return { allowed: false, reason: `the node's policy refuses ${what}` };
}

function outside(directories: readonly string[]): string {
  return directories.length === 0 ? 'no directory is allowed' : `not below ${directories.join(' or ')}`;
}

function isBelow(real: string, directory: string, files: ScriptFiles): boolean {
  let base: string;
  try {
    base = files.realpath(directory);
  } catch {
    return false;
  }
  const way = relative(base, real);
  return way !== '' && way !== '..' && !way.startsWith('../');
}

/** How others than root and `uid` could put something else in the program's place: spec nlmon N35. */
function writers(real: string, uid: number, files: ScriptFiles): string[] {
  const problems: string[] = [];
  for (let path = real; ; path = dirname(path)) {
    const stat = files.stat(path);
    const what = path === real ? 'the file' : `the folder ${path}`;
    if (stat.uid !== 0 && stat.uid !== uid) problems.push(`${what} belongs to user ${stat.uid}`);
    const shared = stat.isDirectory() && (stat.mode & STICKY) !== 0;
    if ((stat.mode & GROUP_OR_WORLD_WRITABLE) !== 0 && !shared) {
      problems.push(`${what} is writable by ${(stat.mode & 0o002) === 0 ? 'its group' : 'everyone'}`);
    }
    if (path === '/') return problems;
  }
}

/** From a command to its risk, with everything that was found. Throws nothing that a text could make it throw. */
import { compilePattern, riskRank, type Risk, type TextTest } from '#core';

import { handlerOf } from './rules/index.ts';
import { contentOf, writes } from './rules/files.ts';
import type { Finding } from './shell/invocation.ts';
import { HOLE } from './shell/marks.ts';
import { inspect } from './shell/run.ts';

export interface Rules {
  readonly patterns: readonly { readonly pattern: string; readonly risk: Risk; readonly reason: string }[];
  readonly allow: readonly string[];
  readonly ignore: readonly string[];
}

export interface Place {
  /** Absolute; '' where the runtime does not say. */
  readonly cwd: string;
  readonly home: string;
  /** Empty: the cwd, unless that is the root, the system's or a home. */
  readonly workspaces: readonly string[];
}

export interface Assessment {
  readonly risk: Risk;
  /** Worst first. */
  readonly findings: readonly Finding[];
}

export type Assess = (command: string, place: Place) => Assessment;

const SAFE: Assessment = { risk: 'SAFE', findings: [] };
/** Where nobody works on purpose: everything in it is not free to be deleted. */
const NO_WORKSPACE =
  /^\/?$|^\/(bin|boot|dev|etc|home|lib|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|usr|var|Users)(\/[^/]*)?$/;
/** Of home folders, one level below is a folder to work in. */
const PROJECT = /^\/(root|opt|srv|mnt|media|var\/www)\/[^/]+$/;

/** Compiles the user's own rules once. */
export function createAssess({ patterns, allow, ignore }: Rules): Assess {
  const own = patterns.map(({ pattern, ...rest }) => ({ ...rest, matches: compilePattern(pattern) }));
  const trusted = allow.map(trustedTest);
  return (command, { cwd, home, workspaces }) => {
    if (trusted.some((matches) => matches(command.trim()))) return SAFE;
    const folder = folderOf(cwd);
    const found = inspect(command, {
      cwd: folder === '' ? HOLE : folder,
      home,
      workspaces: workspacesOf({ cwd, home, workspaces }),
      handlerOf,
      onWrite: writes,
      read: contentOf,
    });
    const matched = own
      .filter(({ matches }) => matches(command))
      .map(({ risk, reason }) => ({ risk, rule: 'pattern', reason }));
    return assessed([...found, ...matched].filter(({ rule }) => !ignore.includes(rule)));
  };
}

export function assessed(findings: readonly Finding[]): Assessment {
  const sorted = [...findings].sort((a, b) => riskRank(b.risk) - riskRank(a.risk));
  return { risk: sorted[0]?.risk ?? 'SAFE', findings: sorted };
}

function folderOf(cwd: string): string {
  return cwd.replace(/\/+$/, '') || (cwd === '' ? '' : '/');
}

/** Those that are named; else where the agent works, unless nobody works there. */
export function workspacesOf({ cwd, home, workspaces }: Place): readonly string[] {
  return workspaces.length > 0 ? workspaces : workspaceOf(folderOf(cwd), home);
}

function workspaceOf(cwd: string, home: string): readonly string[] {
  if (cwd === '' || cwd === home || (NO_WORKSPACE.test(cwd) && !PROJECT.test(cwd))) return [];
  return [cwd];
}

/** A whole command, or one simple command with any further arguments: nothing that could hold another. */
function trustedTest(entry: string): TextTest {
  if (!entry.endsWith('*')) return (command) => command === entry.trim();
  const start = entry.slice(0, -1);
  return (command) => command.startsWith(start) && !/[;&|<>`$(){}\n\\]/.test(command.slice(start.length));
}

/** What a shell knows at a point of its text: variables, functions, files it has written, where it is. */
import type { CompoundList, CompoundCommand, Redirected } from 'unbash';

import { HOLE, NAME, VARIABLE } from './marks.ts';

/** Values of one variable that are tried. */
const MAX_CHOICES = 4;
/** Among the aliases: a command that was begun and got nothing to work on. */
export const UNFINISHED = 'unfinished';

export type FunctionBody = CompoundCommand | Redirected | CompoundList;

export class Scope {
  readonly variables: Map<string, readonly string[]>;
  /** Variables whose value depends on which branch was taken. */
  readonly alternatives: Map<string, readonly (readonly string[])[]>;
  readonly functions: Map<string, FunctionBody>;
  readonly aliases: Map<string, string>;
  /** Content of files that the text itself has written, by absolute path. */
  readonly files: Map<string, string>;
  readonly home: string;
  /** Absolute; HOLE where nobody knows. */
  cwd: string;
  /** `$1` …; null: those of the caller, unknown. */
  parameters: readonly string[] | null = null;
  /** Functions under way, to see recursion. */
  readonly calls: readonly string[];

  constructor(parts: { readonly cwd: string; readonly home: string } | Scope, calls?: readonly string[]) {
    const from = parts instanceof Scope ? parts : null;
    this.cwd = parts.cwd;
    this.home = parts.home;
    this.variables = new Map(from?.variables);
    this.alternatives = new Map(from?.alternatives);
    this.functions = new Map(from?.functions);
    this.aliases = new Map(from?.aliases);
    // A subshell writes the same disk.
    this.files = from?.files ?? new Map();
    this.parameters = from?.parameters ?? null;
    this.calls = calls ?? from?.calls ?? [];
  }

  get(name: string): readonly string[] {
    return this.variables.get(name) ?? this.#own(name);
  }

  isSet(name: string): boolean {
    return this.variables.has(name) || FIXED.has(name) || name === 'HOME' || name === 'PWD';
  }

  set(name: string, values: readonly string[]): void {
    this.variables.set(name, values);
    this.alternatives.delete(name);
  }

  /** What is known after one of these ways was taken, and nobody knows which: values that differ are alternatives. */
  adopt(ends: readonly Scope[]): void {
    for (const name of new Set(ends.flatMap(({ variables }) => [...variables.keys()]))) {
      const values = new Map(ends.map((end) => [JSON.stringify(end.get(name)), end.get(name)]));
      const [first] = values.values();
      if (first === undefined) continue;
      this.set(name, first);
      if (values.size > 1) this.alternatives.set(name, [...values.values()].slice(0, MAX_CHOICES));
    }
    for (const end of ends) for (const [name, body] of end.functions) this.functions.set(name, body);
    this.cwd = ends.at(-1)?.cwd ?? this.cwd;
  }

  #own(name: string): readonly string[] {
    if (name === 'HOME') return [this.home];
    if (name === 'PWD') return [this.cwd];
    const fixed = FIXED.get(name);
    if (fixed !== undefined) return [fixed];
    if (name === '@' || name === '*') return this.parameters ?? [HOLE];
    if (name === '#') return [this.parameters === null ? NAME : String(this.parameters.length)];
    if (/^\d+$/.test(name)) {
      if (name === '0') return ['bash'];
      return [this.parameters === null ? HOLE : (this.parameters[Number(name) - 1] ?? '')];
    }
    if (SCRATCH_NAMES.test(name)) return [`/tmp/${NAME}`];
    if (SECRET_NAMES.test(name)) return [VARIABLE];
    return [HOLE];
  }
}

/** Variables that nobody set here, by what people call them. */
const SCRATCH_NAMES = /(^|_)(TMP|TEMP|SCRATCH)(DIR|FILE|PATH)?(_|$)|^(tmp|temp)(dir|file)?$/;
const SECRET_NAMES =
  /(^|_)(SECRET|TOKEN|PASSWORD|PASSWD|API_?KEY|PRIVATE_KEY|SECRET_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)|_PAT$/;

/** What is the same, or as harmless, wherever a text runs. */
const FIXED: ReadonlyMap<string, string> = new Map([
  ['IFS', ' \t\n'],
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ['SHELL', '/bin/bash'],
  ['BASH', '/bin/bash'],
  ['TMPDIR', '/tmp'],
  ['TMP', '/tmp'],
  ['TEMP', '/tmp'],
  ['USER', NAME],
  ['LOGNAME', NAME],
  ['HOSTNAME', NAME],
  ['UID', NAME],
  ['EUID', NAME],
  ['RANDOM', NAME],
  ['SECONDS', NAME],
  ['LINENO', NAME],
  ['PPID', NAME],
  ['BASHPID', NAME],
  ['BASH_VERSION', NAME],
  ['OSTYPE', 'linux-gnu'],
  ['MACHTYPE', NAME],
  ['HOSTTYPE', NAME],
  ['LANG', NAME],
  ['TERM', NAME],
  ['$', NAME],
  ['!', NAME],
  ['?', NAME],
  ['-', NAME],
  ['_', NAME],
]);

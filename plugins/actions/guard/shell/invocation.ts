import type { Risk } from '#core';

import type { Scope } from './scope.ts';

/** One program with its arguments, as the text would start it. */
export interface Invocation {
  /** Last part of the path: `rm`. */
  readonly name: string;
  /** As written, expanded: `/bin/rm`. */
  readonly path: string;
  readonly args: readonly string[];
  /** What it reads, as far as it is known. */
  readonly stdin: string;
  readonly scope: Scope;
  readonly how: How;
}

/** Under which conditions a program runs. */
export interface How {
  /** By sudo and its kin. */
  readonly privileged: boolean;
  /** On another machine or in a container: its files are not ours. */
  readonly elsewhere: string | null;
}

export interface Finding {
  readonly risk: Risk;
  /** Kebab-case; what an allow-list and a threshold may name. */
  readonly rule: string;
  readonly reason: string;
}

/** What handlers ask of whoever runs the text. */
export interface Host {
  readonly workspaces: readonly string[];
  find(risk: Risk, rule: string, reason: string): void;
  /** Runs another command; what it prints. */
  run(argv: readonly string[], from: Invocation, how?: Partial<How>, stdin?: string): string;
  /** Hands what is written to a path to the `>( )` that it stands for. */
  feed(path: string, content: string, from: Invocation): void;
  /** Runs shell text in a shell of its own; what it prints. */
  runText(text: string, from: Invocation, parts?: Partial<TextParts>): string;
}

export interface TextParts {
  readonly how: Partial<How>;
  readonly stdin: string;
  /** `$1` …; null: unknown. */
  readonly parameters: readonly string[] | null;
  /** In the same shell: `eval`, `source`. */
  readonly same: boolean;
}

/** What a command prints; undefined: nobody knows. */
export type Handler = (invocation: Invocation, host: Host) => string | undefined;
export type Handlers = Readonly<Record<string, Handler>>;

/** One handler under several names. */
export function named(names: string, handler: Handler): Handlers {
  return Object.fromEntries(names.split(' ').map((name) => [name, handler]));
}

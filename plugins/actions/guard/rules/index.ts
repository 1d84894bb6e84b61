import type { Handler, Handlers, Host, Invocation } from '../shell/invocation.ts';
import { archives } from './archives.ts';
import { clouds } from './clouds.ts';
import { containers } from './containers.ts';
import { databases } from './databases.ts';
import { editors } from './editors.ts';
import { files } from './files.ts';
import { finders } from './find.ts';
import { gits } from './git.ts';
import { awk, interpreters, sed } from './interpreters.ts';
import { unknownProgram } from './guess.ts';
import { kubernetes } from './kubernetes.ts';
import { network } from './network.ts';
import { operations, tells } from './operations.ts';
import { packages } from './packages.ts';
import { system } from './system.ts';
import { texts } from './texts.ts';
import { windows } from './windows.ts';
import { wrappers } from './wrappers.ts';

const PARSERS: readonly Handlers[] = [
  files,
  wrappers,
  finders,
  network,
  system,
  interpreters,
  archives,
  editors,
  windows,
  gits,
  kubernetes,
  containers,
  clouds,
  databases,
  packages,
  { awk, gawk: awk, mawk: awk, sed, gsed: sed },
];

/** Every program that something is known of: what it prints by `texts`, what it would do by the others. */
const HANDLERS: ReadonlyMap<string, readonly Handler[]> = collect([...PARSERS, operations, texts, tells]);

/** All that is known of one program, as one handler: the first that knows what is printed says so. */
export function handlerOf(name: string): Handler {
  const handlers = HANDLERS.get(name);
  if (!handlers) return unknownProgram;
  if (!PARSED.has(name)) return (invocation, host) => together([...handlers, unknownProgram], invocation, host);
  return (invocation, host) => together(handlers, invocation, host);
}

/** Programs whose arguments somebody here understands: of the others only a few words are known. */
const PARSED = new Set([...PARSERS, texts].flatMap((handlers) => Object.keys(handlers)));

/** Of these, `--help` is all that happens; others hand it on to what they run. */
const HELPFUL = new Set([clouds, gits, system, databases, kubernetes].flatMap((handlers) => Object.keys(handlers)));
const HELP = new Set(['--help', '-help']);
/** Where `-h` asks for help, too. */
const SHORT_HELP = new Set(Object.keys(kubernetes).concat('terraform', 'argocd', 'flux', 'velero', 'pulumi'));

function together(handlers: readonly Handler[], invocation: Invocation, host: Host): string | undefined {
  const { name, args } = invocation;
  if (HELPFUL.has(name) && args.some((arg) => HELP.has(arg))) return '';
  if (SHORT_HELP.has(name) && args.at(-1) === '-h') return '';
  let output: string | undefined;
  for (const handler of handlers) output = handler(invocation, host) ?? output;
  return output;
}

function collect(all: readonly Handlers[]): ReadonlyMap<string, readonly Handler[]> {
  const collected = new Map<string, Handler[]>();
  for (const handlers of all) {
    for (const [name, handler] of Object.entries(handlers))
      collected.set(name, [...(collected.get(name) ?? []), handler]);
  }
  return collected;
}

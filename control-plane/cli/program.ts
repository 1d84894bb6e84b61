/** All commands in one program; `main.ts` runs it, tests run parts of it. */
import { CommanderError, Option } from 'commander';

import { AppError, VERSION } from '#core';

import { approvalsCommand } from './approvals.ts';
import { Command, type Context } from './command.ts';
import { errorData, exitCodeOf, renderError } from './errors.ts';
import { eventsCommand } from './events.ts';
import { fieldsCommand } from './fields.ts';
import { hooksCommand } from './hooks.ts';
import { ledgerCommand } from './ledger.ts';
import { jsonText } from './output.ts';
import { sessionsCommand } from './sessions.ts';
import { sidecarsCommand } from './sidecars.ts';
import { upCommand } from './up.ts';

/** Runs one command line; resolves with the exit code: 0, 1 (something failed) or 2 (usage or invalid input). */
export async function run(argv: readonly string[], context: Context): Promise<number> {
  const { terminal } = context;
  try {
    await program(context).parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    const known = error instanceof CommanderError ? usageError(error) : error;
    if (known === null) return error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
    if (wantsJson(argv)) terminal.out(`${jsonText(errorData(known), 2)}\n`);
    else terminal.err(renderError(known, terminal));
    return exitCodeOf(known);
  }
}

/** The library's words for a wrong command line as ours; null: it printed help. */
function usageError({ code, message }: CommanderError): AppError | null {
  if (/^commander\.(help|version)/.test(code)) return null;
  const text = message
    .replace(/^error: /, '')
    .replace(
      /\n\(Did you mean (.*)\?\)$/s,
      (_, names: string) => `; did you mean ${names.replaceAll(/[^\s,]+/g, '"$&"')}?`,
    )
    .replace(/\. Allowed choices are (.*)\.$/s, '; expected one of $1')
    .replace(/\.$/, '')
    .replaceAll("'", '"');
  return new AppError('USAGE', text);
}

function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, at) =>
      ['-ojson', '--output=json'].includes(word) ||
      (word === 'json' && ['-o', '--output'].includes(argv[at - 1] ?? '')),
  );
}

const COMMANDS = [
  hooksCommand,
  eventsCommand,
  approvalsCommand,
  sessionsCommand,
  sidecarsCommand,
  ledgerCommand,
  fieldsCommand,
];

function program(context: Context): Command {
  const { terminal } = context;
  const root = new Command('trotline').description('One control plane, a light sidecar on every node, many hooks.');
  root.version(VERSION, '-V, --version', 'print the version').helpCommand(false);
  root.addHelpOption(new Option('-h, --help', 'this text').hideHelp());
  root.addCommand(upCommand(context));
  for (const command of COMMANDS) root.addCommand(command(context));
  // These four are programs of their own (trotline.mjs); here they are only named.
  root.command('control-plane').description('run a control plane alone; see its --help');
  root.command('sidecar').description('run a sidecar alone; see its --help');
  root.command('guard').description('judge commands of agents; see its --help');
  root.command('bundles').description('pull images with programs of hooks; see its --help');
  root.addHelpText('after', '\nExamples:\n  trotline up --hooks deploy/examples/hooks\n  trotline hooks list\n');
  configure(
    root,
    (text) => terminal.out(text),
    (text) => terminal.err(text),
  );
  return root;
}

/** Every command throws instead of ending the process, writes where we write, and proposes the nearest. */
function configure(command: Command, writeOut: (text: string) => void, writeErr: (text: string) => void): void {
  command
    .exitOverride()
    .configureOutput({ writeOut, writeErr, outputError: () => undefined })
    .showSuggestionAfterError();
  for (const child of command.commands) configure(child, writeOut, writeErr);
}

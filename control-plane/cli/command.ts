/** What all commands share: their options, where they write, how they end. */
import { Command, Option } from 'commander';

import { AppError, durationMs } from '#core';

import { dataFolder } from '../config.ts';
import { ApiClient } from './client.ts';
import { type Format, FORMATS, type Listing, renderList, type Terminal } from './output.ts';

/** What a command is run with. */
export interface Context {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  /** Aborts on Ctrl-C, for commands that go on until then. */
  readonly signal: AbortSignal;
  /** Aborts on a second one: leave at once. */
  readonly urgent: AbortSignal;
  /** Set by commands that end by themselves when `signal` aborts; the others a signal ends at once. */
  heedsStop: boolean;
  /** Says how the process shall end when nothing was thrown. */
  exitCode: number;
}

export interface DataOption {
  readonly data?: string;
}
export interface OutputOption {
  readonly output: Format;
}
export interface WatchOption {
  readonly watch?: boolean;
}

export const dataOption = (): Option =>
  new Option('--data <dir>', 'data folder of the control plane (env: TROTLINE_DATA)');
export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'how to print').choices(FORMATS).default('table');
export const watchOption = (): Option => new Option('-w, --watch', 'print again every 2 seconds until Ctrl-C');

/** Ends a command's help. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`);
}

/** `--data` says where; else `TROTLINE_API`, else the data folder that there is without it. */
export function openClient({ data }: DataOption, { env }: Context): Promise<ApiClient> {
  const isRemote = data === undefined && env.TROTLINE_API !== undefined && env.TROTLINE_API !== '';
  return isRemote ? ApiClient.remote(env) : ApiClient.open(dataFolder(data, env));
}

const WATCH_MS = 2000;

/** Prints a list, once or until Ctrl-C. */
export async function printList<R>(
  listing: Listing<R>,
  fetchRows: () => Promise<readonly R[]>,
  options: OutputOption & WatchOption,
  context: Context,
): Promise<void> {
  const { terminal, signal } = context;
  const render = async (): Promise<string> => renderList(listing, await fetchRows(), options.output, terminal);
  context.heedsStop = options.watch === true;
  let text = await render();
  terminal.out(text);
  while (options.watch && !signal.aborted) {
    await pause(WATCH_MS, signal);
    if (signal.aborted) return;
    const next = await render();
    if (next === text) continue;
    text = next;
    terminal.out(terminal.interactive ? `\u001b[H\u001b[2J${text}` : text);
  }
}

/** Resolves after so long, or when `signal` aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** `10m` ago, or an ISO time, as milliseconds since the epoch. */
export function timeOption(text: string | undefined, name: string, now = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  const ago = durationMs(text);
  if (ago !== undefined) return now - ago;
  const at = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new AppError('USAGE', `${name} "${text}" is no time, expected like 10m, 2h or 2026-01-31T08:00:00Z`);
  return at;
}

export { Command };

/** `trotline up`: a control plane and a sidecar on this machine, and what they do, live. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';

import { AppError, errorText, VERSION } from '#core';

import { type DataFiles, dataFiles } from '../config.ts';
import type { ApiAddress } from '../http/api.ts';
import type { HooksView, SidecarView } from '../http/views.ts';
import { Child, type ChildOptions, RotatingFile } from './children.ts';
import { ApiClient } from './client.ts';
import { Command, type Context, dataOption, examples, pause } from './command.ts';
import { count } from './errors.ts';
import { LiveLines } from './live-lines.ts';
import { safe } from './output.ts';
import { followHealth, followHooks } from './up-changes.ts';
import { checkUp, dataArgument, type UpOptions } from './up-options.ts';
import { firstScreen, home } from './up-screen.ts';
import { stopAll } from './up-stop.ts';

/** How long the parts may take to be up. */
const START_MS = 20_000;
const FIRST_SCREEN_MS = 5000;

export function upCommand(context: Context): Command {
  const up = new Command('up')
    .description('start a control plane and a sidecar here, and show what they do')
    .summary('start both here, and show what they do');
  up.requiredOption('--hooks <dir>', 'directory of hooks, read again on every change').addOption(dataOption());
  up.option('--node <name>', 'name of this node', hostname()).option(
    '--api <address>',
    'loopback address of the HTTP API',
    '127.0.0.1:7411',
  );
  up.option('--sources <file>', 'what the sources hear (default: all, as documented)');
  up.option('--verbose', 'print the logs of both processes to stderr');
  examples(
    up,
    'trotline up --hooks deploy/examples/hooks',
    'trotline up --hooks ./hooks --data /tmp/trotline --api 127.0.0.1:0',
  );
  up.action(async (options: UpOptions) => {
    context.exitCode = await runUp(options, context);
  });
  return up;
}

async function runUp(options: UpOptions, context: Context): Promise<0 | 1> {
  const { terminal, env, signal, urgent } = context;
  const { data, hooks, sources } = await checkUp(options, env);
  const files = dataFiles(data);
  context.heedsStop = true;
  const start = starter(options, files, context);
  const plane = start('control plane', 'control-plane', ['--hooks', hooks, '--data', data, '--api', options.api]);
  const children = [plane];
  urgent.addEventListener('abort', () => {
    for (const child of children) child.kill();
  });
  try {
    const client = await untilAnswering(plane, files, data, signal);
    const address = ['--control-plane', `unix:${files.socket}`];
    const sidecar = start('sidecar', 'sidecar', [
      ...address,
      '--data',
      files.sidecar,
      '--node',
      options.node,
      '--up-hooks',
      hooks,
      ...(sources === null ? [] : ['--sources', sources]),
    ]);
    children.push(sidecar);
    const shown = await showFirstScreen({ options, hooks, data, client, sidecar }, context);
    const died = await showUntilEnd(client, children, shown, context);
    if (died !== null) terminal.err(await deathText(died, files, context));
    await stopAll(children.toReversed(), context);
    return died === null ? 0 : 1;
  } catch (error) {
    await stopAll(children.toReversed(), context);
    if (signal.aborted) return 0;
    throw error;
  }
}

async function deathText(died: Child, { logs }: DataFiles, { terminal }: Context): Promise<string> {
  const end = await died.ended;
  // Who was killed had no last words: what was said before is about something else.
  const words = died.lastWords === '' || end.startsWith('signal') ? '' : `: ${safe(died.lastWords)}`;
  const how = `the ${died.name} ended unexpectedly (${end})${words}`;
  return `${terminal.paint('red', 'error:')} ${how}; its log is in ${home(logs)}\n`;
}

type Start = (name: string, program: ChildOptions['program'], args: readonly string[]) => Child;

/** Children log into files of their own, or with `--verbose` to stderr. */
function starter({ verbose }: UpOptions, { logs }: DataFiles, { terminal, env }: Context): Start {
  return (name, program, args) => {
    const path = join(logs, `${name.replaceAll(' ', '-')}.log`);
    const trouble = (reason: string): void =>
      terminal.err(`${terminal.paint('yellow', 'warning:')} the ${name} goes on without its log: ${safe(reason)}\n`);
    const file = verbose ? null : new RotatingFile(path, trouble);
    const onOutput = (text: string): void => (file ? file.write(text) : terminal.err(text));
    const child = new Child({ name, program, args, env, onOutput });
    void child.ended.then(() => file?.close());
    return child;
  };
}

/** The API's address is in its file, with the process's id, as soon as it listens. */
async function untilAnswering(
  plane: Child,
  { apiAddress }: DataFiles,
  data: string,
  signal: AbortSignal,
): Promise<ApiClient> {
  const end = Date.now() + START_MS;
  while (Date.now() < end && !signal.aborted) {
    if (plane.hasEnded)
      throw new AppError('PEER_UNAVAILABLE', plane.lastWords || `the control plane ended: ${await plane.ended}`);
    const content = await readFile(apiAddress, 'utf8').catch(() => '{}');
    const { pid }: Partial<ApiAddress> = JSON.parse(content === '' ? '{}' : content);
    if (pid === plane.pid) return ApiClient.open(data);
    await pause(30, signal);
  }
  throw new AppError('PEER_UNAVAILABLE', `the control plane was not ready within ${START_MS / 1000} s`);
}

interface Started {
  readonly options: UpOptions;
  readonly hooks: string;
  readonly data: string;
  readonly client: ApiClient;
  readonly sidecar: Child;
}

/** What people have seen. */
interface Shown {
  readonly hooks: HooksView;
  readonly sidecar: SidecarView | null;
}

async function showFirstScreen(
  { options, hooks: directory, data, client, sidecar: child }: Started,
  context: Context,
): Promise<Shown | null> {
  const { terminal, signal } = context;
  const end = Date.now() + FIRST_SCREEN_MS;
  let sidecar: SidecarView | null = null;
  while (Date.now() < end && !signal.aborted && !child.hasEnded) {
    const found = (await client.get<SidecarView[]>('/v1/sidecars')).find(({ connected }) => connected);
    sidecar = found ?? null;
    if (found && found.upToDate && hasStarted(found)) break;
    await pause(50, signal);
  }
  if (child.hasEnded || signal.aborted) return null;
  const hooks = await client.get<HooksView>('/v1/hooks');
  const shown = relative(process.cwd(), directory);
  const hooksDirectory = shown === '' || shown.startsWith('..') ? directory : shown;
  const { node } = options;
  terminal.err(
    firstScreen(
      {
        version: VERSION,
        node,
        data,
        dataArgument: dataArgument(data, context),
        hooksDirectory,
        address: client.address,
        hooks,
        sidecar,
      },
      terminal,
    ),
  );
  return { hooks, sidecar };
}

/** Every source has said how it fares. */
function hasStarted({ sources }: SidecarView): boolean {
  return sources.length > 0 && sources.every(({ reason }) => reason !== 'starting');
}

/** Live lines until Ctrl-C or until a child has died; resolves with that child. */
async function showUntilEnd(
  client: ApiClient,
  children: readonly Child[],
  shown: Shown | null,
  context: Context,
): Promise<Child | null> {
  const { terminal, signal } = context;
  const lines = new LiveLines({ terminal, json: !terminal.interactive });
  const over = new AbortController();
  const stream = async (): Promise<void> => {
    const omitted = (missed: number): void =>
      terminal.err(`${count(missed, 'event')} not shown: the terminal is too slow\n`);
    for await (const event of client.events({}, over.signal, omitted)) lines.add(event);
  };
  const streaming = stream().catch((error: unknown) => {
    if (!over.signal.aborted && !children.some(({ hasEnded }) => hasEnded))
      terminal.err(`live events ended: ${safe(errorText(error))}\n`);
  });
  const following = shown
    ? [
        followHooks(client, shown.hooks, context, over.signal),
        followHealth(client, shown.sidecar, context, over.signal),
      ]
    : [];
  const died = await Promise.race([
    aborted(signal).then(() => null),
    ...children.map((child) => child.ended.then(() => child)),
  ]);
  over.abort();
  await Promise.all([streaming, ...following]);
  lines.end();
  return signal.aborted ? null : died;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}

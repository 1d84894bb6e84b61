/** `trotline up`: a control plane and a sidecar on this machine, and what they do, live. */
import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative, resolve } from 'node:path';

import { AppError, errorText, VERSION } from '#core';

import { type DataFiles, dataFiles, dataFolder } from '../config.ts';
import { parseLoopback } from '../http/access.ts';
import type { ApiAddress } from '../http/api.ts';
import type { HooksView, SidecarView } from '../http/views.ts';
import { Child, type ChildOptions, RotatingFile } from './children.ts';
import { ApiClient } from './client.ts';
import { Command, type Context, type DataOption, dataOption, examples, pause } from './command.ts';
import { count } from './errors.ts';
import { LiveLines } from './live-lines.ts';
import { safe } from './output.ts';
import { followHooks } from './up-hooks.ts';
import { firstScreen, home } from './up-screen.ts';

/** How long the parts may take to be up, and to be down. */
const START_MS = 20_000;
const FIRST_SCREEN_MS = 5000;
const STOP_MS = 20_000;

interface UpOptions extends DataOption {
  readonly hooks: string;
  readonly node: string;
  readonly api: string;
  readonly verbose?: boolean;
}

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
  const data = dataFolder(options.data, env);
  const files = dataFiles(data);
  const hooks = resolve(options.hooks);
  if (!(await stat(hooks).catch(() => null))?.isDirectory()) {
    throw new AppError('USAGE', `--hooks ${options.hooks} is no directory`);
  }
  parseLoopback(options.api);
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
    ]);
    children.push(sidecar);
    const shown = await showFirstScreen({ options, hooks, data, client, sidecar }, context);
    const died = await showUntilEnd(client, children, shown, context);
    terminal.err(
      died === null
        ? '\ndraining: what runs is waited for (Ctrl-C again: leave now)\n'
        : await deathText(died, files, context),
    );
    await stopAll(children.toReversed(), context);
    return died === null ? 0 : 1;
  } catch (error) {
    await stopAll(children.toReversed(), context);
    if (signal.aborted) return 0;
    throw error;
  }
}

async function deathText(died: Child, { logs }: DataFiles, { terminal }: Context): Promise<string> {
  const words = died.lastWords === '' ? '' : `: ${safe(died.lastWords)}`;
  const how = `the ${died.name} ended unexpectedly (${await died.ended})${words}`;
  return `${terminal.paint('red', 'error:')} ${how}; its log is in ${home(logs)}\n`;
}

type Start = (name: string, program: ChildOptions['program'], args: readonly string[]) => Child;

/** Children log into files of their own, or with `--verbose` to stderr. */
function starter({ verbose }: UpOptions, { logs }: DataFiles, { terminal, env }: Context): Start {
  return (name, program, args) => {
    const file = verbose ? null : new RotatingFile(join(logs, `${name.replaceAll(' ', '-')}.log`));
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

async function showFirstScreen(
  { options, hooks: directory, data, client, sidecar: child }: Started,
  context: Context,
): Promise<HooksView | null> {
  const { terminal, signal } = context;
  const end = Date.now() + FIRST_SCREEN_MS;
  let sidecar: SidecarView | null = null;
  while (Date.now() < end && !signal.aborted && !child.hasEnded) {
    const found = (await client.get<SidecarView[]>('/v1/sidecars')).find(({ connected }) => connected);
    sidecar = found ?? null;
    if (found && found.sources.length > 0 && found.upToDate) break;
    await pause(50, signal);
  }
  if (child.hasEnded || signal.aborted) return null;
  const hooks = await client.get<HooksView>('/v1/hooks');
  const shown = relative(process.cwd(), directory);
  const hooksDirectory = shown === '' || shown.startsWith('..') ? directory : shown;
  const { node } = options;
  terminal.err(
    firstScreen({ version: VERSION, node, data, hooksDirectory, address: client.address, hooks, sidecar }, terminal),
  );
  return hooks;
}

/** Live lines until Ctrl-C or until a child has died; resolves with that child. */
async function showUntilEnd(
  client: ApiClient,
  children: readonly Child[],
  shown: HooksView | null,
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
  const following = shown ? followHooks(client, shown, context, over.signal) : Promise.resolve();
  const died = await Promise.race([
    aborted(signal).then(() => null),
    ...children.map((child) => child.ended.then(() => child)),
  ]);
  over.abort();
  await Promise.all([streaming, following]);
  lines.end();
  return signal.aborted ? null : died;
}

/** One after the other: the sidecar drains into a living control plane. */
async function stopAll(all: readonly Child[], { terminal, urgent }: Context): Promise<void> {
  const from = Date.now();
  const children = all.filter(({ hasEnded }) => !hasEnded);
  if (children.length === 0) return;
  for (const child of children) {
    child.requestStop();
    const late = setTimeout(() => {
      terminal.err(
        `${terminal.paint('yellow', 'warning:')} the ${child.name} did not stop within ${STOP_MS / 1000} s and is killed\n`,
      );
      child.kill();
    }, STOP_MS);
    const said = setInterval(
      () => terminal.err(`  waiting for the ${child.name}, ${Math.round((Date.now() - from) / 1000)} s\n`),
      2000,
    );
    await child.ended;
    clearTimeout(late);
    clearInterval(said);
  }
  const took = `${((Date.now() - from) / 1000).toFixed(1)} s`;
  terminal.err(
    urgent.aborted
      ? `left after ${took}; what was pending is kept for the next start\n`
      : `stopped in ${took}${keptText(children)}\n`,
  );
}

/** As the sidecar says at its end: the control plane hears of it only now and then. */
function keptText(children: readonly Child[]): string {
  const kept = children.map((child) => child.logged('stopped')?.waiting).find((waiting) => typeof waiting === 'number');
  if (kept === undefined || kept === 0) return '';
  return `; ${count(kept, 'hook run')} pending, kept for the next start`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}

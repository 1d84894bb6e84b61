/**
 * What `launcher.test.ts` runs in network, mount and process namespaces: `scenarios.ts NAME`, the result as one JSON line. The
 * control plane is root's, the sidecar that the launcher starts is `nobody`'s.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { dataFiles } from '#control-plane';

import type { EventDetail, EventSummary, NodeLedger } from '../../../control-plane/store/types.ts';
import { api } from '../../faults/kill.ts';
import { eventually } from '../../kit/eventually.ts';
import { Killable } from '../../kit/kill/processes.ts';
import { ip } from '../../kit/netns.ts';
import { childrenOf, nameOf } from '../../kit/proc.ts';
import { allGone, ENTRY, ROOT } from '../kit.ts';

const LAUNCHER = join(ROOT, 'native/build/Release/trotline-launcher');
const BUNDLE = join(ROOT, 'dist/bundle/sidecar.js');
const NOBODY = 65_534;
const OPENER = 'trotline-opener';
const SPAWNER = 'trotline-spawne';
const PATIENCE = { timeoutMs: 20_000, intervalMs: 50 };

interface LaunchOptions {
  readonly options?: readonly string[];
  readonly prefix?: readonly string[];
  readonly program?: readonly string[];
}

/** Both processes, in a folder of their own. */
class Place implements AsyncDisposable {
  readonly folder: string;
  readonly #controlPlane: Killable;
  #launcher: ChildProcess | null = null;
  #output = '';

  private constructor(folder: string) {
    this.folder = folder;
    const args = ['control-plane', '--data', folder, '--hooks', join(folder, 'hooks'), '--api', '127.0.0.1:0'];
    this.#controlPlane = new Killable(ENTRY, args, /control plane started/, []);
  }

  static async make(): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), 'trotline-launcher-')));
    const { folder } = place;
    const { sidecar, socket } = dataFiles(folder);
    await mkdir(join(folder, 'hooks'));
    await writeFile(join(folder, 'id.sh'), '#!/bin/sh\nid -un; grep Cap /proc/self/status\n', { mode: 0o755 });
    const condition = String.raw`interface =~ "^v"`;
    const config = `{ command: [${folder}/id.sh], user: "daemon:daemon" }`;
    await writeFile(
      join(folder, 'hooks', 'id.yaml'),
      `apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: id }\nspec: { eventTypes: [link-added], condition: '${condition}', actions: [{ type: script, config: ${config} }] }\n`,
    );
    const script = `{ directories: [${folder}], users: ["daemon:daemon"] }`;
    await writeFile(join(folder, 'policy.yaml'), `version: 1\nscript: ${script}\n`);
    await place.#controlPlane.start();
    await chmod(folder, 0o711);
    await chmod(socket, 0o666);
    await mkdir(sidecar, { mode: 0o700 });
    await chown(sidecar, NOBODY, NOBODY);
    return place;
  }

  /** Until the sidecar runs the hook. `options`: the launcher's; `prefix`: before it; `program`: what Node runs. */
  async launch({ options = [], prefix = [], program = [ENTRY, 'sidecar'] }: LaunchOptions = {}): Promise<void> {
    const { sidecar, socket } = dataFiles(this.folder);
    const own = ['--data', sidecar, '--node', 'launched', '--policy', join(this.folder, 'policy.yaml')];
    const command = [process.execPath, ...program, '--control-plane', `unix:${socket}`, ...own];
    const [first = '', ...args] = [...prefix, LAUNCHER, '--user', 'nobody:nogroup', ...options, ...command];
    this.#launcher = spawn(first, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#launcher.stdout, this.#launcher.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    await eventually(() => {
      if (!/"applied":1/.test(this.#output)) throw new Error(`not ready: ${this.#output}`);
    }, PATIENCE);
  }

  get launcher(): number {
    return this.#launcher?.pid ?? 0;
  }

  get output(): string {
    return this.#output;
  }

  /** The launcher and all that it started, by name; once they are all there. */
  async processes(...names: readonly string[]): Promise<Map<string, number>> {
    return eventually(async () => {
      const pids = [this.launcher, ...(await childrenOf(this.launcher))];
      const found = new Map(await Promise.all(pids.map(async (pid) => [await nameOf(pid), pid] as const)));
      const missing = names.filter((name) => !found.has(name));
      if (missing.length > 0) throw new Error(`no ${missing.join(', ')} among ${[...found.keys()].join(', ')}`);
      return found;
    }, PATIENCE);
  }

  /** What the hook's script said of a link, once it has. */
  async said(link: string): Promise<{ readonly namespace: string; readonly output: string }> {
    return eventually(async () => {
      const { namespace, attempt } = await this.tried(link);
      if (attempt.status !== 'delivered') throw new Error(`${link}: ${JSON.stringify(attempt)}`);
      return { namespace, output: attempt.output };
    }, PATIENCE);
  }

  /** The event of a link and the hook's first attempt, once there was one. */
  async tried(link: string) {
    return eventually(async () => {
      const summaries = await api<EventSummary[]>(this.folder, '/v1/events');
      const found = summaries.find(({ subject }) => subject === link);
      if (!found) throw new Error(`${link} was not heard: ${this.#output}`);
      const event = await api<EventDetail>(this.folder, `/v1/events/${found.id}`);
      const [attempt] = event.hooks.flatMap(({ attempts }) => attempts);
      if (!attempt) throw new Error(`${link}: ${JSON.stringify(event.hooks)}`);
      return { namespace: event.event.namespace, attempt };
    }, PATIENCE);
  }

  async health(): Promise<string> {
    const [node] = await api<NodeLedger[]>(this.folder, '/v1/ledger');
    const found = node?.ledger.health.find(({ source }) => source === 'netlink');
    return `${found?.status}: ${found?.reason}`;
  }

  async stop(): Promise<number | null> {
    const ended = this.#launcher && once(this.#launcher, 'close');
    this.#launcher?.kill('SIGTERM');
    await ended;
    return this.#launcher?.exitCode ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#launcher?.kill('SIGKILL');
    await this.#controlPlane.kill('SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Of every thread of a process: its five sets. */
async function capabilities(pid: number): Promise<string[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const sets = tasks.map(async (task) => {
    const status = await readFile(`/proc/${pid}/task/${task}/status`, 'utf8');
    return setsOf(status);
  });
  return [...new Set(await Promise.all(sets))];
}

/** `Inh Prm Eff Amb`, without leading zeros. What is in the bounding set alone nobody can gain: no_new_privs. */
function setsOf(text: string): string {
  const set = (name: string): string => (new RegExp(`${name}:\\s*0*([0-9a-f]*)`).exec(text)?.[1] ?? '?') || '0';
  return ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map(set).join(' ');
}

function addVethIn(namespace: string, name: string): void {
  ip('-n', namespace, 'link', 'add', name, 'type', 'veth', 'peer', 'name', `p${name}`);
}

async function least(): Promise<unknown> {
  await using place = await Place.make();
  await place.launch({ options: ['--least'] });
  ip('netns', 'add', 'blue');
  addVethIn('blue', 'va');
  const { namespace, output } = await place.said('va');
  const processes = await place.processes(OPENER, SPAWNER);
  const sets: Record<string, string[]> = {};
  for (const [name, pid] of processes) sets[name] = await capabilities(pid);
  const users = new Set<string>();
  for (const pid of processes.values())
    users.add(execFileSync('ps', ['-o', 'user=', '-p', String(pid)], { encoding: 'utf8' }).trim());
  const newPrivileges = await Promise.all(
    [...processes].map(
      async ([, pid]) => /NoNewPrivs:\s*(\d)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1],
    ),
  );
  const threads = await readdir(
    `/proc/${[...processes].find(([name]) => ![OPENER, SPAWNER, 'trotline-launch'].includes(name))?.[1]}/task`,
  );
  const exit = await place.stop();
  return {
    namespace,
    program: { user: output.split('\n')[0], sets: setsOf(output) },
    sets,
    users: [...users],
    newPrivileges,
    nodeThreads: threads.length,
    health: await place.health(),
    exit,
  };
}

/** As a service manager starts it: not root, with these capabilities and no other. */
function asNobodyWith(...names: readonly string[]): string[] {
  const capabilities = ['-all', ...names.map((name) => `+${name}`)].join(',');
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  return ['setpriv', ...user, `--inh-caps=${capabilities}`, `--ambient-caps=${capabilities}`];
}

/** All that are wanted are there, though nobody was root; with the sidecar as it ships. */
async function given() {
  await using place = await Place.make();
  const prefix = asNobodyWith('net_admin', 'net_broadcast', 'setuid', 'setgid', 'kill');
  await place.launch({ options: ['--least'], prefix, program: [BUNDLE] });
  ip('netns', 'add', 'blue');
  addVethIn('blue', 'va');
  const { namespace, output } = await place.said('va');
  const sets: Record<string, string[]> = {};
  for (const [name, pid] of await place.processes(OPENER, SPAWNER)) sets[name] = await capabilities(pid);
  return { namespace, program: { user: output.split('\n')[0], sets: setsOf(output) }, sets, exit: await place.stop() };
}

/** Neither the opener nor the spawner gets what it wants. */
async function lacking() {
  await using place = await Place.make();
  await place.launch({ prefix: asNobodyWith('kill') });
  ip('link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'pva');
  const { namespace, attempt } = await place.tried('va');
  return { namespace, attempt, health: await place.health(), exit: await place.stop() };
}

/** With what else an opener may have, it can look into the namespaces. */
async function most(): Promise<unknown> {
  await using place = await Place.make();
  await place.launch();
  ip('netns', 'add', 'blue');
  addVethIn('blue', 'va');
  await place.said('va');
  const processes = await place.processes(OPENER);
  const sets = await capabilities(processes.get(OPENER) ?? 0);
  return { opener: sets, health: await place.health(), exit: await place.stop() };
}

async function helpersKilled(): Promise<unknown> {
  await using place = await Place.make();
  await place.launch({ options: ['--least'] });
  ip('netns', 'add', 'blue');
  addVethIn('blue', 'va');
  await place.said('va');
  const before = await place.processes(OPENER, SPAWNER);
  for (const name of [OPENER, SPAWNER]) process.kill(before.get(name) ?? 0, 'SIGKILL');
  const after = await eventually(async () => {
    const now = await place.processes(OPENER);
    if (now.get(OPENER) === before.get(OPENER)) throw new Error('still the old opener');
    return now;
  }, PATIENCE);
  // What came meanwhile is found by the new life, what comes is heard.
  addVethIn('blue', 'vb');
  const { namespace } = await place.said('vb');
  const spawner = (await place.processes(SPAWNER)).get(SPAWNER);
  return {
    namespace,
    openers: after.get(OPENER) === before.get(OPENER) ? 1 : 2,
    spawners: spawner === before.get(SPAWNER) ? 1 : 2,
    exit: await place.stop(),
  };
}

/** As a service manager does that signals all processes of a unit: the launcher passes its signal on to a sidecar that has it. */
async function signalledTogether(): Promise<unknown> {
  await using place = await Place.make();
  await place.launch({ options: ['--least'] });
  const sidecar = (await place.processes('MainThread')).get('MainThread') ?? 0;
  process.kill(sidecar, 'SIGTERM');
  const exit = await place.stop();
  return { exit, stopped: /"stopped"/.test(place.output) };
}

/** Nobody is left who answers for the capabilities: the sidecar drains and ends, and its helpers with it. */
async function launcherKilled(): Promise<unknown> {
  await using place = await Place.make();
  await place.launch({ options: ['--least'] });
  ip('netns', 'add', 'blue');
  addVethIn('blue', 'va');
  await place.said('va');
  const processes = await place.processes(OPENER, SPAWNER);
  process.kill(place.launcher, 'SIGKILL');
  await allGone([...processes.values()]);
  return { drained: /"draining"/.test(place.output) && /"stopped"/.test(place.output) };
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  least,
  given,
  lacking,
  most,
  helpersKilled,
  launcherKilled,
  signalledTogether,
};

execFileSync('mount', ['-t', 'tmpfs', 'none', '/run']);
ip('link', 'set', 'lo', 'up');
const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await scenario())}\n`, () => process.exit(0));

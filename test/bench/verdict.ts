/** Bench `verdict`: PreToolUse over the node's socket, 1,000 hooks, open loop; during pushes, with the control plane down, by programs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { dataFiles } from '#control-plane';
import { Spawner } from '#native';

import { builtFile } from '../../native/addon.ts';
import { eventually } from '../kit/eventually.ts';
import { Killable } from '../kit/kill/processes.ts';
import type { BenchResult } from './result.ts';
import { median, resultOf } from './statistics.ts';

const CONTROL_PLANE = fileURLToPath(new URL('../../control-plane/main.ts', import.meta.url));
const SIDECAR = fileURLToPath(new URL('../../sidecar/main.ts', import.meta.url));
const FLAGS = ['--conditions=source'];
const HOOKS = 1000;
const PER_SECOND = 1000;
const RUNS = 5;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
const SPAWNS = 300;
const PEER_SPAWNS = 40;

/** Takes about a minute. */
export async function run(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-bench-'));
  const hooks = join(folder, 'hooks');
  const files = dataFiles(folder);
  const socket = join(files.sidecar, 'agent.sock');
  await mkdir(hooks);
  await writeFile(join(hooks, 'all.yaml'), hooksYaml());
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  try {
    const args = ['--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0', '--log', 'error'];
    await using controlPlane = new Killable(CONTROL_PLANE, args, /^/, FLAGS);
    await controlPlane.start();
    const sidecarArgs = ['--control-plane', `unix:${files.socket}`, '--data', files.sidecar, '--node', 'bench-node'];
    await using sidecar = new Killable(SIDECAR, sidecarArgs, /^/, FLAGS);
    await sidecar.start();
    await eventually(async () => (await ask(socket, agent, 'rm -rf /')).includes('"deny"'), { timeoutMs: 60_000 });
    await load(socket, 2);

    const measured: Record<string, number[]> = {};
    const note = (name: string, value: number): void => void (measured[name] ??= []).push(value);
    for (let count = 0; count < RUNS; count++) {
      const quiet = await load(socket, SECONDS);
      note('p50Ms', median(quiet));
      note('p99Ms', median(quiet, 0.99));
      note('p999Ms', median(quiet, 0.999));
    }
    for (let count = 0; count < RUNS; count++) {
      const pushed = load(socket, SECONDS);
      await pause(500);
      await writeFile(join(hooks, 'all.yaml'), hooksYaml(`changed-${count}`));
      note('pushP99Ms', median(await pushed, 0.99));
    }
    const programs = await Spawner.start({ lockFile: null });
    try {
      const client = [builtFile('trotline-hook'), '--socket', socket];
      for (let count = 0; count < SPAWNS; count++) note('clientP50Ms', await spawned(programs, client));
      const peer = [process.execPath, '-e', PEER];
      for (let count = 0; count < PEER_SPAWNS; count++) note('peerP50Ms', await spawned(programs, peer));
    } finally {
      await programs.stop();
    }
    await controlPlane.kill('SIGKILL');
    for (let count = 0; count < RUNS; count++) note('downP99Ms', median(await load(socket, SECONDS), 0.99));
    return resultOf(measured);
  } finally {
    agent.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The guard for every call, and hooks for tools that are not used now. */
function hooksYaml(text = 'as it was'): string {
  const hook = (name: string, spec: string): string =>
    `apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: ${name} }\nspec: { source: agent, eventTypes: [PreToolUse], ${spec} }\n`;
  const others = Array.from({ length: HOOKS - 1 }, (_, index) =>
    hook(
      `hook-${index}`,
      `condition: "agent.tool == 'tool-${index}' AND agent.cwd =~ '/srv/.*'", actions: [{ type: guard, config: { patterns: [{ pattern: "${index === 0 ? text : index}" }] } }]`,
    ),
  );
  return [hook('guard', 'actions: [{ type: guard }]'), ...others].join('---\n');
}

let calls = 0;

function question(command: string): string {
  return JSON.stringify({
    session_id: `session-${calls % 100}`,
    cwd: '/home/dev/project',
    hook_event_name: 'PreToolUse',
    tool_name: 'Bash',
    tool_input: { command },
    tool_use_id: `toolu_${++calls}`,
  });
}

function ask(socketPath: string, agent: Agent, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/v1/hooks', method: 'POST', agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += String(chunk)));
      response.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.end(question(command));
  });
}

/** Open loop: milliseconds from when each question was sent to its answer. The sender's timers may be late; nobody is waited for. */
async function load(socketPath: string, seconds: number): Promise<number[]> {
  const total = seconds * PER_SECOND;
  const startedAt = performance.now();
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  using connections = new Connections(socketPath);
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * PER_SECOND));
    for (; sent < due; sent++) {
      const sentAt = performance.now();
      // Every command is another: nothing comes from the guard's memory.
      const answered = connections.ask(question(`npm run build -- --mode ${calls} && git status`));
      pending.push(answered.then(() => void latencies.push(performance.now() - sentAt)));
    }
    await pause(1);
  }
  await Promise.all(pending);
  return latencies;
}

/** Connections that are kept, a question at a time on each. As little work as can be: the sender has a core with others on it. */
class Connections implements Disposable {
  readonly #path: string;
  readonly #all: Socket[] = [];
  readonly #free: Socket[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  ask(body: string): Promise<void> {
    const socket = this.#free.pop() ?? this.#open();
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('data', (answer: Buffer) => {
        socket.off('error', reject);
        this.#free.push(socket);
        if (answer.includes('HTTP/1.1 200')) resolve();
        else reject(new Error(`answered ${String(answer)}`));
      });
      socket.write(`POST /v1/hooks HTTP/1.1\r\nhost: node\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  }

  #open(): Socket {
    const socket = connect(this.#path);
    this.#all.push(socket);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#all) socket.destroy();
  }
}

/** From the start of a program to its end, as its supervisor saw it. */
async function spawned(spawner: Spawner, argv: readonly string[]): Promise<number> {
  const request = { directory: null, cgroup: null, uid: null, gid: null, groups: [], limits: {}, outputLimit: 4096 };
  const ended = await spawner.run(
    { ...request, argv, env: {}, timeoutMs: 10_000, stdin: question(`ls ${calls}`) },
    new AbortController().signal,
  );
  if (ended.exitCode !== 0 || ended.output === '') throw new Error(`${argv[0]} ended with ${JSON.stringify(ended)}`);
  return ended.durationMs;
}

/** What people write: read the question, decide by a pattern, answer. */
const PEER = `let text = ''; process.stdin.on('data', (chunk) => (text += chunk)).on('end', () => {
  const { tool_input: { command } } = JSON.parse(text);
  const permissionDecision = /rm -rf \\//.test(command) ? 'deny' : 'allow';
  process.stdout.write(JSON.stringify({ hookSpecificOutput: { hookEventName: 'PreToolUse', permissionDecision } }));
});`;

/**
 * Bench `sla`: what LeanVibe promised of its hooks (rows L44 to L47), with a real Redis and 100 WebSocket clients: 10,000 questions by 50
 * agents at once. `met` says whether all of it is so. `BENCH_RAW=FILE` writes every latency down.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { dataFiles } from '#control-plane';

import { REDIS_STREAMS } from '../../control-plane/stream/redis-entry.ts';
import { eventually } from '../kit/eventually.ts';
import { Killable } from '../kit/kill/processes.ts';
import { RedisServer } from '../kit/redis.ts';
import type { BenchResult } from './result.ts';
import { resultOf } from './statistics.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const QUESTIONS = Number(process.env.BENCH_QUESTIONS ?? 10_000);
const AGENTS = 50;
const CLIENTS = 100;
const PER_SECOND = 250;
/** One in so many is denied. */
const DENIED = 20;
const SETTLE = { timeoutMs: 120_000 };
/** Of the control plane while it sends to everybody. */
const MOST_GROWTH_MIB = 192;

export async function run(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-sla-'));
  await using redis = await RedisServer.create();
  process.env.REDIS_URL = redis.url;
  const files = dataFiles(folder);
  const hooks = join(folder, 'hooks');
  await mkdir(hooks);
  await writeFile(join(hooks, 'all.yaml'), HOOKS);
  const connections = new Agent({ keepAlive: true, maxSockets: AGENTS });
  try {
    const args = ['--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0', '--log', 'error'];
    await using controlPlane = new Killable(path('../../control-plane/main.ts'), args, /^/);
    await controlPlane.start();
    const own = ['--control-plane', `unix:${files.socket}`, '--data', files.sidecar, '--node', 'bench-node'];
    await using sidecar = new Killable(path('../../sidecar/main.ts'), own, /^/);
    await sidecar.start();
    const ask = asking(join(files.sidecar, 'agent.sock'), connections);
    await eventually(async () => (await ask('warm', 'rm -rf /')).includes('"deny"'), { timeoutMs: 60_000 });
    const api = await apiOf(files);
    await eventually(async () => (await api.storedOf('warm')) > 0);
    await using clients = await Clients.start(api);

    const entries = await entriesIn(redis);
    const before = memory([controlPlane.pid, sidecar.pid]);
    const startedAt = Date.now();
    const latencies = await load(ask);
    const loadedAt = Date.now();
    const got = await eventually(async () => {
      const counts = await clients.counts();
      if (counts.least < QUESTIONS && counts.closed === 0) throw new Error(JSON.stringify(counts));
      return counts;
    }, SETTLE);
    const inRedis = await eventually(async () => {
      const count = (await entriesIn(redis)) - entries;
      if (count < QUESTIONS) throw new Error(`${count} entries`);
      return count;
    }, SETTLE);
    const redisAt = Date.now();
    const stored = await eventually(async () => {
      const count = await api.storedOf();
      if (count < QUESTIONS) throw new Error(`${count} stored`);
      return count;
    }, SETTLE);
    const storedAt = Date.now();
    const after = memory([controlPlane.pid, sidecar.pid]);
    if (process.env.BENCH_RAW !== undefined) await writeFile(process.env.BENCH_RAW, JSON.stringify(latencies));
    return judged({
      latencies,
      perSecond: {
        verdictsPerSecond: rate(latencies.length, startedAt, loadedAt),
        webSocketPerSecond: rate(got.least, startedAt, got.lastAt),
        redisPerSecond: rate(inRedis, startedAt, redisAt),
        historyPerSecond: rate(stored, startedAt, storedAt),
      },
      lost: [QUESTIONS - got.least, QUESTIONS - inRedis, QUESTIONS - stored].reduce((sum, each) => sum + each, 0),
      growthMiB: Math.max(...after.map((now, index) => now - (before[index] ?? 0))),
    });
  } finally {
    connections.destroy();
    delete process.env.REDIS_URL;
    await rm(folder, { recursive: true, force: true });
  }
}

const HOOKS = ['guard', 'everything']
  .map(
    (name) => `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: ${name} }
spec: { source: agent, ${name === 'guard' ? 'eventTypes: [PreToolUse]' : 'mode: audit'}, actions: [{ type: guard }] }
`,
  )
  .join('---\n');

interface Figures {
  readonly latencies: readonly number[];
  readonly perSecond: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly growthMiB: number;
}

/** L44: mean < 50 ms, p95 < 75 ms, success > 95 %; L45: > 100 a second for each; L47: nothing lost, memory bounded. */
function judged({ latencies, perSecond, lost, growthMiB }: Figures): BenchResult {
  const histogram = createHistogram();
  for (const ms of latencies) histogram.record(Math.max(1, Math.round(ms * 1000)));
  const meanMs = histogram.mean / 1000;
  const p95Ms = histogram.percentile(95) / 1000;
  const success = latencies.length / QUESTIONS;
  const isFast = Object.values(perSecond).every((value) => value > 100);
  const met = meanMs < 50 && p95Ms < 75 && success > 0.95 && isFast && lost === 0 && growthMiB < MOST_GROWTH_MIB;
  const p50Ms = histogram.percentile(50) / 1000;
  const p99Ms = histogram.percentile(99) / 1000;
  const all = { meanMs, p50Ms, p95Ms, p99Ms, success, ...perSecond, lost, growthMiB };
  return { ...resultOf(Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]]))), met };
}

type Ask = (session: string, command: string) => Promise<string>;

function asking(socketPath: string, agent: Agent): Ask {
  return (session, command) =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath, path: '/v1/hooks', method: 'POST', agent }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += String(chunk)));
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      });
      sent.on('error', reject);
      sent.end(
        JSON.stringify({
          session_id: session,
          cwd: '/srv/app',
          hook_event_name: 'PreToolUse',
          tool_name: 'Bash',
          tool_input: { command },
        }),
      );
    });
}

/** Milliseconds from when each question was due; one that fails is none. The agents share the rate. */
async function load(ask: Ask): Promise<number[]> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  let next = 0;
  const work = async (agent: number): Promise<void> => {
    for (let number = next++; number < QUESTIONS; number = next++) {
      const due = startedAt + (number * 1000) / PER_SECOND;
      if (due > performance.now()) await pause(due - performance.now());
      const command = number % DENIED === 0 ? `rm -rf / # ${number}` : `npm run build -- ${number}`;
      const answer = await ask(`session-${agent}`, command).catch(() => null);
      if (answer !== null) latencies.push(performance.now() - due);
    }
  };
  await Promise.all(Array.from({ length: AGENTS }, (_, agent) => work(agent)));
  return latencies;
}

class Clients implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start({ address, token }: { address: string; token: string }): Promise<Clients> {
    const args = ['--conditions=source', path('./sla-clients.ts'), address, token, String(CLIENTS)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesIn(child);
    await lines.next();
    return new Clients(child, lines);
  }

  async counts(): Promise<{ least: number; most: number; closed: number; lastAt: number }> {
    this.#child.stdin?.write('\n');
    const { value } = await this.#lines.next();
    return JSON.parse(String(value)) as { least: number; most: number; closed: number; lastAt: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}

async function* linesIn({ stdout }: ChildProcess): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stdout ?? []) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

async function apiOf(files: ReturnType<typeof dataFiles>) {
  const token = (await readFile(files.token, 'utf8')).trim();
  const { address } = JSON.parse(await readFile(files.apiAddress, 'utf8')) as { address: string };
  const storedOf = async (session?: string): Promise<number> => {
    const response = await fetch(`${address}/v1/sessions?limit=1000`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const sessions = (await response.json()) as { session: string; events: number }[];
    const chosen = sessions.filter((each) =>
      session === undefined ? each.session !== 'warm' : each.session === session,
    );
    return chosen.reduce((sum, { events }) => sum + events, 0);
  };
  return { token, address, storedOf };
}

async function entriesIn(redis: RedisServer): Promise<number> {
  return redis.ask(async (client) => {
    let count = 0;
    for (const stream of REDIS_STREAMS) count += await client.xLen(stream);
    return count;
  });
}

function memory(pids: readonly number[]): number[] {
  return pids.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
}

function rate(count: number, fromMs: number, toMs: number): number {
  return Math.round((count * 1000) / Math.max(1, toMs - fromMs));
}

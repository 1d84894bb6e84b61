/** How many claims a second are granted and completed, each durable, over gRPC (design 11, `claims`). */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

import { type ClientDuplexStream, credentials } from '@grpc/grpc-js';

import { type ClaimRequest, type ClaimResponse, ClaimServiceClient } from '#proto';

const RUNS = 5;
const RUN_MS = 2_500;
const WARM_UP_MS = 1_000;
/** Claims of the closed loop that are under way at once. */
const IN_FLIGHT = 2_000;
/** Of the open loop, twice which is the goal for `sqlitePerSecond`. */
const PAIRS_PER_SECOND = 20_000;
const WINDOW_MS = 600_000n;

/** Medians and the lowest and highest of all runs, by metric. */
export interface BenchResult {
  readonly metrics: Record<string, number>;
  readonly runs: number;
  readonly spread: Record<string, [number, number]>;
}

/** Takes about 45 seconds: each run has a server and a store of its own, warmed up first. */
export async function run(): Promise<BenchResult> {
  const perSecond: number[] = [];
  const p99: number[] = [];
  for (let count = 0; count < RUNS; count++) {
    await using server = await startServer();
    await closedLoop(server, 'w', WARM_UP_MS);
    perSecond.push(await closedLoop(server, 'c', RUN_MS));
    await pause(200);
    p99.push(await openLoop(server, RUN_MS));
  }
  return {
    metrics: { sqlitePerSecond: Math.round(middle(perSecond)), p99Ms: middle(p99) },
    runs: RUNS,
    spread: { sqlitePerSecond: spread(perSecond), p99Ms: spread(p99) },
  };
}

interface BenchServer extends AsyncDisposable {
  readonly address: string;
}

async function startServer(): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), 'claims-bench-'));
  const file = new URL('./claims-server.ts', import.meta.url).pathname;
  const args = ['--conditions=source', ...(process.env['CLAIMS_SERVER_ARGS']?.split(' ') ?? []), file, folder];
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    address: `unix:${join(folder, 's')}`,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await once(child, 'exit');
      await rm(folder, { recursive: true });
    },
  };
}

/** One sidecar's stream; each key is claimed and, once granted, completed. */
class Claimer implements Disposable {
  readonly #client: ClaimServiceClient;
  readonly #stream: ClientDuplexStream<ClaimRequest, ClaimResponse>;
  readonly #keys = new Map<bigint, { readonly key: string; readonly startedAt: number }>();
  readonly #onDone: (startedAt: number) => void;
  #operations: ClaimRequest['operations'] = [];
  #lastId = 0n;

  constructor(address: string, onDone: (startedAt: number) => void) {
    this.#onDone = onDone;
    this.#client = new ClaimServiceClient(address, credentials.createInsecure());
    this.#stream = this.#client.claim();
    this.#stream.write({ sidecarId: 'bench', operations: [] });
    this.#stream.on('data', ({ answers }: ClaimResponse) => this.#receive(answers));
    this.#stream.on('error', () => undefined);
  }

  /** `startedAt`: when the claim was due, milliseconds. */
  claim(key: string, startedAt: number): void {
    this.#ask(key, startedAt, { $case: 'acquire', value: {} });
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #receive(answers: ClaimResponse['answers']): void {
    for (const { id, answer } of answers) {
      const asked = this.#keys.get(id);
      this.#keys.delete(id);
      if (!asked) throw new Error(`an answer to ${id}, which was not asked`);
      if (answer?.$case === 'granted') {
        const value = { fence: answer.value.fence, windowMs: WINDOW_MS };
        this.#ask(asked.key, asked.startedAt, { $case: 'complete', value });
      } else if (answer?.$case === 'accepted') this.#onDone(asked.startedAt);
      else throw new Error(`${asked.key} was answered ${answer?.$case}`);
    }
  }

  #ask(key: string, startedAt: number, operation: ClaimRequest['operations'][number]['operation']): void {
    const id = ++this.#lastId;
    this.#keys.set(id, { key, startedAt });
    if (this.#operations.length === 0) setImmediate(() => this.#flush());
    this.#operations.push({ id, key, operation });
  }

  #flush(): void {
    this.#stream.write({ sidecarId: '', operations: this.#operations });
    this.#operations = [];
  }
}

/** Pairs per second with a fixed number of claims under way. */
async function closedLoop({ address }: BenchServer, prefix: string, durationMs: number): Promise<number> {
  let done = 0;
  let started = 0;
  let running = true;
  const next = (): void => {
    if (running) claimer.claim(keyOf(prefix, started++), 0);
  };
  using claimer = new Claimer(address, () => {
    done += 1;
    next();
  });
  const from = performance.now();
  for (let count = 0; count < IN_FLIGHT; count++) next();
  await pause(durationMs);
  running = false;
  return done / ((performance.now() - from) / 1_000);
}

/** p99 in milliseconds from when a claim was due to when its completion was accepted, at a fixed rate. */
async function openLoop({ address }: BenchServer, durationMs: number): Promise<number> {
  const latencies: number[] = [];
  using claimer = new Claimer(address, (startedAt) => void latencies.push(performance.now() - startedAt));
  const from = performance.now();
  const total = (PAIRS_PER_SECOND * durationMs) / 1_000;
  for (let sent = 0; sent < total; await pause(1)) {
    const due = Math.min(total, Math.floor(((performance.now() - from) * PAIRS_PER_SECOND) / 1_000));
    for (; sent < due; sent++) claimer.claim(keyOf('o', sent), from + (sent * 1_000) / PAIRS_PER_SECOND);
  }
  while (latencies.length < total) await pause(5);
  latencies.sort((a, b) => a - b);
  return Number((latencies[Math.floor(total * 0.99)] ?? 0).toFixed(2));
}

function keyOf(prefix: string, number: number): string {
  return `trotline/veth-gone/node-1/${prefix}${number}`;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function spread(values: readonly number[]): [number, number] {
  return [Number(Math.min(...values).toFixed(2)), Number(Math.max(...values).toFixed(2))];
}

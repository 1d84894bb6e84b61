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
/** At least as many as ever are. */
const UNDER_WAY = 1 << 20;

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

/**
 * One sidecar's stream; each key is claimed and, once granted, completed. What is under way is kept in flat arrays, so that the
 * harness's own garbage does not count as the server's latency.
 */
class Claimer implements Disposable {
  readonly #client: ClaimServiceClient;
  readonly #stream: ClientDuplexStream<ClaimRequest, ClaimResponse>;
  readonly #prefix: string;
  /** By id of the operation, modulo its length: number of the key, and when its claim was due. */
  readonly #numbers = new Uint32Array(UNDER_WAY);
  readonly #dueAt = new Float64Array(UNDER_WAY);
  readonly #onDone: (dueAt: number) => void;
  #operations: ClaimRequest['operations'] = [];
  #lastId = 0;

  constructor(address: string, prefix: string, onDone: (dueAt: number) => void) {
    this.#prefix = prefix;
    this.#onDone = onDone;
    this.#client = new ClaimServiceClient(address, credentials.createInsecure());
    this.#stream = this.#client.claim();
    this.#stream.write({ sidecarId: 'bench', operations: [] });
    this.#stream.on('data', ({ answers }: ClaimResponse) => this.#receive(answers));
    this.#stream.on('error', () => undefined);
  }

  /** `dueAt`: when the claim was due, milliseconds. */
  claim(number: number, dueAt: number): void {
    this.#ask(number, dueAt, { $case: 'acquire', value: {} });
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #receive(answers: ClaimResponse['answers']): void {
    for (const { id, answer } of answers) {
      const slot = Number(id) % UNDER_WAY;
      const number = this.#numbers[slot] ?? 0;
      const dueAt = this.#dueAt[slot] ?? 0;
      if (answer?.$case === 'granted') {
        this.#ask(number, dueAt, { $case: 'complete', value: { fence: answer.value.fence, windowMs: WINDOW_MS } });
      } else if (answer?.$case === 'accepted') this.#onDone(dueAt);
      else throw new Error(`${this.#key(number)} was answered ${answer?.$case}`);
    }
  }

  #ask(number: number, dueAt: number, operation: ClaimRequest['operations'][number]['operation']): void {
    const id = ++this.#lastId;
    this.#numbers[id % UNDER_WAY] = number;
    this.#dueAt[id % UNDER_WAY] = dueAt;
    if (this.#operations.length === 0) setImmediate(() => this.#flush());
    this.#operations.push({ id: BigInt(id), key: this.#key(number), operation });
  }

  #key(number: number): string {
    return `trotline/veth-gone/node-1/${this.#prefix}${number}`;
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
    if (running) claimer.claim(started++, 0);
  };
  using claimer = new Claimer(address, prefix, () => {
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
  const total = (PAIRS_PER_SECOND * durationMs) / 1_000;
  const latencies = new Float64Array(total);
  const { promise: allDone, resolve } = Promise.withResolvers<void>();
  let done = 0;
  using claimer = new Claimer(address, 'o', (dueAt) => {
    latencies[done++] = performance.now() - dueAt;
    if (done === total) resolve();
  });
  const from = performance.now();
  for (let sent = 0; sent < total; await pause(1)) {
    const due = Math.min(total, Math.floor(((performance.now() - from) * PAIRS_PER_SECOND) / 1_000));
    for (; sent < due; sent++) claimer.claim(sent, from + (sent * 1_000) / PAIRS_PER_SECOND);
  }
  await allDone;
  latencies.sort();
  return Number((latencies[Math.floor(total * 0.99)] ?? 0).toFixed(2));
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function spread(values: readonly number[]): [number, number] {
  return [Number(Math.min(...values).toFixed(2)), Number(Math.max(...values).toFixed(2))];
}

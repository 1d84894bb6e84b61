/** A real Redis for tests, on a port and in a folder of its own: the machine's, else Debian's. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createClient } from 'redis';

import { unpackedPackages } from './debian.ts';
import { eventually } from './eventually.ts';

const PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'];

interface Program {
  readonly path: string;
  /** Where its libraries are; '' for the machine's own. */
  readonly libraries: string;
}

function findProgram(): Program | null {
  const own = spawnSync('sh', ['-c', 'command -v redis-server'], { encoding: 'utf8' }).stdout.trim();
  if (own !== '') return { path: own, libraries: '' };
  const folder = unpackedPackages('redis', PACKAGES);
  if (folder === null) return null;
  const [libraries = ''] = globSync(join(folder, 'usr/lib/*-linux-gnu'));
  return { path: join(folder, 'usr/bin/redis-server'), libraries };
}

const program = findProgram();

/** Why tests with a Redis cannot run here; null: they can. With `CI=true` that is an error. */
export const noRedis = program ? null : 'no redis-server (apt-get update && apt-get install redis-server)';
if (noRedis !== null) {
  if (process.env.CI === 'true') throw new Error(noRedis);
  process.stderr.write(`skipped: ${noRedis}\n`);
}

export interface StreamEntry {
  readonly id: string;
  readonly message: Readonly<Record<string, string>>;
}

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | null = null;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  /** Running unless told otherwise. */
  static async create(isRunning = true): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'redis-')));
    if (isRunning) await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** With what it had when it stopped. */
  async start(): Promise<void> {
    if (!program) throw new Error(noRedis ?? '');
    const { path, libraries } = program;
    const store = ['--dir', this.#folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    const options = ['--port', String(this.port), '--bind', '127.0.0.1', ...store];
    const env = libraries === '' ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries };
    this.#process = spawn(path, options, { stdio: 'ignore', env });
    await eventually(() => this.ask((client) => client.ping()));
  }

  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (!running || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  /** It answers nobody, and keeps every connection. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async ask<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = clientOf(this.url);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      client.destroy();
    }
  }

  /** Oldest first. */
  entries(stream: string): Promise<StreamEntry[]> {
    return this.ask(async (client) => {
      const entries = (await client.xRange(stream, '-', '+')) ?? [];
      return entries.map(({ id, message }) => ({ id, message: { ...message } }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

type Client = ReturnType<typeof clientOf>;

function clientOf(url: string) {
  return createClient({ url, socket: { reconnectStrategy: false } });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

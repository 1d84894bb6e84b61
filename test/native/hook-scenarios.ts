/** Runs `trotline-hook`, and servers that are no sidecar. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const CLIENT = fileURLToPath(new URL('../../native/build/Release/trotline-hook', import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export function start(args: readonly string[], env: RunOptions['env'] = {}): ChildProcessWithoutNullStreams {
  const child = spawn(CLIENT, args, { env });
  // It may be gone before it has read all.
  child.stdin.on('error', () => undefined);
  return child;
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ran> {
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

export function run(args: readonly string[], { stdin = '{}', env }: RunOptions = {}): Promise<Ran> {
  const child = start(args, env);
  child.stdin.end(stdin);
  return ended(child);
}

export interface Place extends AsyncDisposable {
  readonly socket: string;
}

/** A folder with the path for a socket, where nobody listens yet. */
export async function place(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-hook-'));
  return {
    socket: join(folder, 'agent.sock'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Somebody at a socket who does with each connection what the test wants. */
export async function serve(serveOne: (socket: Socket) => void): Promise<Place> {
  const where = await place();
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    serveOne(socket);
  });
  server.listen(where.socket);
  await once(server, 'listening');
  return {
    socket: where.socket,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await where[Symbol.asyncDispose]();
    },
  };
}

/** Answers as soon as something was asked. */
export function answering(answer: string | Buffer): Promise<Place> {
  return serve((socket) => {
    socket.once('data', () => socket.end(answer));
  });
}

/** What the sidecar writes, with other headers where the test wants. */
export function http(body: string, head = `content-length: ${Buffer.byteLength(body)}\r\n`, status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${head}\r\n${body}`;
}

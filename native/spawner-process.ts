import { ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import {
  PROTOCOL_VERSION,
  type SpawnEnded,
  type SpawnRequest,
  decodeAnswer,
  encodeKill,
  encodeSpawn,
} from './spawner-frames.ts';

interface Job {
  resolve(ended: SpawnEnded): void;
  reject(error: Error): void;
}

/** One life of the native spawner; `Spawner` starts the next one. */
export class SpawnerProcess {
  /** Resolves with the reason once the process ended and everything it said was read. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #jobs = new Map<number, Job>();
  readonly #ready = Promise.withResolvers<void>();
  #alive = true;
  #unread: Buffer = Buffer.alloc(0);
  #lastId = 0;
  #corked = false;
  #closed: Promise<void> | null = null;

  private constructor(binary: string, lockFile: string | null) {
    const args = lockFile === null ? [] : ['--lock', lockFile];
    // A session of its own: Ctrl-C is for the sidecar, which drains first.
    this.#child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {}, cwd: '/', detached: true });
    const ended = Promise.withResolvers<string>();
    this.ended = ended.promise;
    const end = (reason: string) => {
      this.#lose(reason);
      ended.resolve(reason);
    };
    this.#child.on('error', (error) => end(error.message));
    this.#child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
    // A write to a spawner that is gone: `close` tells.
    this.#child.stdin.on('error', () => {});
    this.#child.stdout.on('data', (chunk: Buffer) => {
      try {
        this.#read(chunk);
      } catch (error) {
        this.#refuse(error);
      }
    });
  }

  /**
   * Resolves once the spawner serves: with a lock file, that is when nothing of an older one runs any more. Abort ends the wait.
   */
  static async open(binary: string, lockFile: string | null, signal: AbortSignal): Promise<SpawnerProcess> {
    const spawner = new SpawnerProcess(binary, lockFile);
    const abort = () => spawner.#child.kill('SIGKILL');
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    try {
      await spawner.#ready.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    spawner.#keepLoopAlive(false);
    return spawner;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get alive(): boolean {
    return this.#alive && this.#closed === null;
  }

  run(request: SpawnRequest, signal: AbortSignal): Promise<SpawnEnded> {
    const id = this.#nextId();
    const frame = encodeSpawn(id, request);
    const { promise, resolve, reject } = Promise.withResolvers<SpawnEnded>();
    const abort = () => this.#send(encodeKill(id));
    const finish = () => {
      signal.removeEventListener('abort', abort);
      this.#jobs.delete(id);
      if (this.#jobs.size === 0 && this.#closed === null) this.#keepLoopAlive(false);
    };
    if (this.#jobs.size === 0) this.#keepLoopAlive(true);
    this.#jobs.set(id, {
      resolve(ended) {
        finish();
        resolve(ended);
      },
      reject(error) {
        finish();
        reject(error);
      },
    });
    signal.addEventListener('abort', abort);
    this.#send(frame);
    return promise;
  }

  /** Kills what runs, whose promises resolve, then ends the process. After `limitMs` it no longer waits. Idempotent. */
  close(limitMs: number): Promise<void> {
    this.#closed ??= this.#close(limitMs);
    return this.#closed;
  }

  async #close(limitMs: number): Promise<void> {
    this.#keepLoopAlive(true);
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), limitMs);
    // Ending the pipe at once would kill the programs too, but leave nobody to tell how they ended.
    for (const id of this.#jobs.keys()) this.#send(encodeKill(id));
    if (this.#jobs.size === 0) this.#child.stdin.end();
    await this.ended;
    clearTimeout(limit);
  }

  #read(chunk: Buffer): void {
    let bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    while (bytes.length >= 4) {
      const end = 4 + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      this.#answer(bytes.subarray(4, end));
      bytes = bytes.subarray(end);
    }
    this.#unread = bytes;
  }

  #answer(frame: Buffer): void {
    const answer = decodeAnswer(frame);
    if (answer.type === 'ended') {
      this.#jobs.get(answer.id)?.resolve(answer.ended);
      if (this.#closed !== null && this.#jobs.size === 0) this.#child.stdin.end();
      return;
    }
    if (answer.type === 'ready' && answer.version === PROTOCOL_VERSION) return this.#ready.resolve();
    const reason =
      answer.type === 'failed'
        ? `${answer.syscall} failed with ${answer.code}`
        : `it speaks protocol ${answer.version}, expected ${PROTOCOL_VERSION}; run "npm rebuild"`;
    throw coded('SPAWNER_UNAVAILABLE', `the spawner cannot serve: ${reason}`);
  }

  #refuse(reason: unknown): void {
    this.#ready.reject(reason);
    this.#child.kill('SIGKILL');
  }

  #lose(reason: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#ready.reject(coded('SPAWNER_UNAVAILABLE', `the spawner ended before it was ready: ${reason}`));
    for (const job of this.#jobs.values()) {
      job.reject(coded('SPAWNER_LOST', `the spawner ended while the program ran: ${reason}`));
    }
  }

  /** What one turn of the loop sends leaves in one system call. */
  #send(frame: Buffer): void {
    const { stdin } = this.#child;
    if (!this.#corked) {
      this.#corked = true;
      stdin.cork();
      process.nextTick(() => {
        this.#corked = false;
        stdin.uncork();
      });
    }
    stdin.write(frame);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId % 0xffffffff) + 1;
    while (this.#jobs.has(this.#lastId));
    return this.#lastId;
  }

  /** An idle spawner does not keep the process from ending; it ends with the process. */
  #keepLoopAlive(alive: boolean): void {
    const { stdin, stdout } = this.#child;
    for (const handle of [this.#child, stdin, stdout]) {
      if (!(handle instanceof ChildProcess || handle instanceof Socket)) continue;
      if (alive) handle.ref();
      else handle.unref();
    }
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

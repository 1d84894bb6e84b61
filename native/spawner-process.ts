import {
  PROTOCOL_VERSION,
  type SpawnEnded,
  type SpawnRequest,
  decodeAnswer,
  encodeKill,
  encodeSpawn,
} from './spawner-frames.ts';
import { type SpawnerPipes, startSpawner } from './spawner-pipes.ts';

interface Job {
  resolve(ended: SpawnEnded): void;
  reject(error: Error): void;
}

/** One life of the native spawner; `Spawner` starts the next one. */
export class SpawnerProcess {
  /** Resolves with the reason once the process ended and everything it said was read. */
  readonly ended: Promise<string>;
  readonly #pipes: SpawnerPipes;
  readonly #jobs = new Map<number, Job>();
  readonly #ready = Promise.withResolvers<void>();
  #alive = true;
  #unread: Buffer = Buffer.alloc(0);
  #lastId = 0;
  #corked = false;
  #closed: Promise<void> | null = null;

  private constructor(binary: string, lockFile: string | null) {
    this.#pipes = started(binary, lockFile);
    this.ended = this.#pipes.ended.then((reason) => {
      this.#lose(reason);
      return reason;
    });
    // A write to a spawner that is gone: `ended` tells.
    this.#pipes.input.on('error', () => {});
    this.#pipes.output.on('data', (chunk: Buffer) => {
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
    const abort = () => spawner.#pipes.kill();
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
    return this.#pipes.pid;
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
    const limit = setTimeout(() => this.#pipes.kill(), limitMs);
    // Ending the pipe at once would kill the programs too, but leave nobody to tell how they ended.
    for (const id of this.#jobs.keys()) this.#send(encodeKill(id));
    if (this.#jobs.size === 0) this.#pipes.input.end();
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
      if (this.#closed !== null && this.#jobs.size === 0) this.#pipes.input.end();
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
    this.#pipes.kill();
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
    const { input } = this.#pipes;
    if (!this.#corked) {
      this.#corked = true;
      input.cork();
      process.nextTick(() => {
        this.#corked = false;
        input.uncork();
      });
    }
    input.write(frame);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId % 0xffffffff) + 1;
    while (this.#jobs.has(this.#lastId));
    return this.#lastId;
  }

  /** An idle spawner does not keep the process from ending; it ends with the process. */
  #keepLoopAlive(alive: boolean): void {
    this.#pipes.hold(alive);
  }
}

function started(binary: string, lockFile: string | null): SpawnerPipes {
  try {
    return startSpawner(binary, lockFile);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw coded('SPAWNER_UNAVAILABLE', reason);
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

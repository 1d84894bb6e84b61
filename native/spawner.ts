import { access, constants } from 'node:fs/promises';
import { builtFile } from './addon.ts';
import { NativeUnavailableError } from './errors.ts';
import { KILLED, type SpawnEnded, type SpawnRequest } from './spawner-frames.ts';
import { SpawnerProcess } from './spawner-process.ts';

export type { SpawnEnded, SpawnLimit, SpawnRequest } from './spawner-frames.ts';

export interface SpawnerOptions {
  /**
   * Locked while the spawner serves and until the last program of it is dead: a spawner with the same file begins only then.
   * Null: nothing keeps a new one from beginning beside programs of one that was killed.
   */
  lockFile: string | null;
  /** The spawner ended and nobody asked it to. The programs that ran reject with `SPAWNER_LOST`; the next `run` starts another. */
  onExit?: (reason: string) => void;
  /** Ends the wait for the lock of the first start. */
  signal?: AbortSignal;
  /** Default: where the build puts it. */
  binary?: string;
}

/** For a stop: trees that resist longer are killed on by their supervisors, which keep the lock. */
const STOP_LIMIT_MS = 10_000;

/** Runs programs through a small native process, so that starting one does not block this one. */
export class Spawner {
  readonly #options: SpawnerOptions;
  readonly #halt = new AbortController();
  #process: SpawnerProcess | null = null;
  #starting: Promise<SpawnerProcess> | null = null;
  #stopped: Promise<void> | null = null;

  private constructor(options: SpawnerOptions) {
    this.#options = options;
  }

  /** Resolves once it serves. Throws `NATIVE_UNAVAILABLE` where the binary is missing, `SPAWNER_UNAVAILABLE` where it cannot serve. */
  static async start(options: SpawnerOptions): Promise<Spawner> {
    const spawner = new Spawner(options);
    const abort = () => spawner.#halt.abort();
    options.signal?.addEventListener('abort', abort);
    if (options.signal?.aborted === true) abort();
    try {
      await spawner.#serving();
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
    return spawner;
  }

  /** Null while no spawner process serves. */
  get pid(): number | null {
    return this.#process?.alive === true ? this.#process.pid : null;
  }

  /**
   * Resolves when the program ended and nothing of its process tree is left. Abort kills the tree: it then resolves with SIGKILL.
   * Rejects with `SPAWNER_LOST` when the spawner ended meanwhile: the program is dead or dying, and what it did is unknown.
   * With `SPAWNER_UNAVAILABLE` when no new one could be started: the program did not run. Also rejects after `stop`, and for a
   * request that no program can be given.
   */
  async run(request: SpawnRequest, signal: AbortSignal): Promise<SpawnEnded> {
    if (this.#stopped !== null) throw new Error('the spawner is stopped');
    const spawner = this.#process?.alive === true ? this.#process : await untilAborted(this.#serving(), signal);
    if (spawner === null || signal.aborted) return KILLED;
    if (this.#stopped !== null) throw new Error('the spawner is stopped');
    return spawner.run(request, signal);
  }

  /** Kills what runs, whose promises resolve with SIGKILL, and waits for its end. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#halt.abort();
    const spawner = await this.#starting?.catch(() => null);
    await (spawner ?? this.#process)?.close(STOP_LIMIT_MS);
  }

  #serving(): Promise<SpawnerProcess> {
    this.#starting ??= this.#open().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #open(): Promise<SpawnerProcess> {
    const binary = this.#options.binary ?? builtFile('trotline-spawner');
    try {
      await access(binary, constants.X_OK);
    } catch (cause) {
      throw new NativeUnavailableError(binary, 'the native spawner was not built', cause);
    }
    const spawner = await SpawnerProcess.open(binary, this.#options.lockFile, this.#halt.signal);
    this.#process = spawner;
    void this.#watch(spawner);
    return spawner;
  }

  async #watch(spawner: SpawnerProcess): Promise<void> {
    const reason = await spawner.ended;
    if (this.#stopped === null) this.#options.onExit?.(reason);
  }
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const aborted = Promise.withResolvers<null>();
  const abort = () => aborted.resolve(null);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

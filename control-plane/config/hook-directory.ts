import { type FSWatcher, watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, type Clock, type Component, errorText, type Log, systemClock, type Vocabulary } from '#core';

import { type HookFile, type HookFiles, NO_HOOK_FILES, readHookFiles } from './hook-files.ts';

/** A change is read when the directory has been quiet for so long: editors write in several steps. */
const QUIET_MS = 60;
/** What no watch tells (targets of links, network file systems) is found by reading again after so long. */
const RESCAN_MS = 10_000;
/** The same while the directory cannot be watched. */
const RETRY_MS = 1000;

export interface HookDirectoryOptions {
  readonly directory: string;
  readonly vocabulary: Vocabulary;
  readonly log: Log;
  readonly clock?: Clock;
}

/**
 * The `*.yaml`, `*.yml` and `*.json` of one directory, read at start and on every change; links are followed, as Kubernetes'
 * ConfigMap volumes need. What cannot be read keeps what it was.
 */
export class HookDirectory implements Component {
  readonly #options: HookDirectoryOptions;
  readonly #clock: Clock;
  readonly #stopped = new AbortController();
  readonly #listeners = new Set<(isNews: boolean) => void>();
  #files: HookFiles = NO_HOOK_FILES;
  #fingerprint = '';
  #problem: string | null = null;
  /** Files that were found empty once. */
  #doubted: ReadonlySet<string> = new Set();
  #watcher: { readonly watcher: FSWatcher; readonly inode: number } | null = null;
  #wake = Promise.withResolvers<void>();
  #loop: Promise<void> | null = null;

  constructor(options: HookDirectoryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The newest reading. */
  get files(): HookFiles {
    return this.#files;
  }

  /** Why the directory as a whole cannot be read or watched; null: it can. Its hooks stay meanwhile. */
  get problem(): string | null {
    return this.#problem;
  }

  /** A file that had hooks is empty, and may only be on its way to be written. */
  get doubts(): boolean {
    return this.#doubted.size > 0;
  }

  /** Called after each reading, also the regular ones that say nothing new; returns the unsubscribe. */
  onRead(listener: (isNews: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Rejects when there is no such directory: a later loss is survived, a wrong setting is not. */
  async start(): Promise<void> {
    await this.#read();
    if (this.#problem !== null) {
      throw new AppError('CONFIG_INVALID', `hook directory ${this.#options.directory}: ${this.#problem}`);
    }
    this.#loop = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake.resolve();
    await this.#loop;
    this.#unwatch();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const settled = this.#watcher !== null && this.#problem === null && this.#doubted.size === 0;
      const pause = settled ? RESCAN_MS : RETRY_MS;
      const rest = new AbortController();
      await Promise.race([this.#wake.promise, this.#clock.sleep(pause, rest.signal).catch(() => undefined)]);
      rest.abort();
      await this.#untilQuiet(signal);
      if (!signal.aborted) await this.#read();
    }
  }

  /** Waits out a burst of changes, at most ten quiet times long. */
  async #untilQuiet(signal: AbortSignal): Promise<void> {
    for (let waited = 0; waited < 10 && !signal.aborted; waited++) {
      this.#wake = Promise.withResolvers<void>();
      const quiet = this.#clock.sleep(QUIET_MS, signal).then(
        () => true,
        () => true,
      );
      if (await Promise.race([quiet, this.#wake.promise.then(() => false)])) return;
    }
  }

  async #read(): Promise<void> {
    const { directory, vocabulary, log } = this.#options;
    let files: HookFile[];
    try {
      await this.#watch();
      files = this.#trusted(await readDirectory(directory));
    } catch (error) {
      this.#unwatch();
      const problem = errorText(error);
      if (problem !== this.#problem)
        log.warn({ directory, error: problem }, 'hook directory unreadable, its hooks stay');
      this.#problem = problem;
      return;
    }
    if (this.#problem !== null) log.info({ directory }, 'hook directory readable again');
    this.#problem = null;
    const fingerprint = JSON.stringify(files);
    const isNews = fingerprint !== this.#fingerprint;
    if (isNews) {
      this.#fingerprint = fingerprint;
      this.#files = readHookFiles(files, vocabulary, this.#files);
      this.#logReading();
    }
    for (const listener of this.#listeners) listener(isNews);
  }

  #logReading(): void {
    const { directory, log } = this.#options;
    const { hooks, refused, kept } = this.#files;
    log.info({ directory, hooks: hooks.length, refused: refused.length, kept: [...kept] }, 'hooks read');
    for (const { id, file, issues } of refused) {
      log.warn(
        { hook: id, file, problems: issues.map(({ line, message }) => `line ${line ?? '?'}: ${message}`) },
        'hook refused',
      );
    }
  }

  /**
   * Whoever writes a file in two steps empties it first: an empty file that had hooks is believed when it still is empty
   * after the next pause.
   */
  #trusted(files: readonly HookFile[]): HookFile[] {
    const doubted = new Set<string>();
    const trusted = files.map((file) => {
      const before = this.#files.readings.get(file.file)?.text ?? '';
      if (!('text' in file) || file.text.trim() !== '' || before.trim() === '' || this.#doubted.has(file.file))
        return file;
      doubted.add(file.file);
      return { file: file.file, text: before };
    });
    this.#doubted = doubted;
    return trusted;
  }

  /** Watches the directory that has the name now; a replaced one is another. */
  async #watch(): Promise<void> {
    const { directory, log } = this.#options;
    const { ino: inode } = await stat(directory);
    if (this.#watcher?.inode === inode) return;
    this.#unwatch();
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#wake.resolve());
      watcher.on('error', (error) => {
        log.warn({ directory, error: errorText(error) }, 'watch of the hook directory failed');
        this.#unwatch();
        this.#wake.resolve();
      });
      this.#watcher = { watcher, inode };
    } catch (error) {
      log.warn({ directory, error: errorText(error) }, 'hook directory cannot be watched, it is read every second');
    }
  }

  #unwatch(): void {
    this.#watcher?.watcher.close();
    this.#watcher = null;
  }
}

/** Every hook file of a directory, sorted by name; names that start with a dot are not hooks. */
export async function readDirectory(directory: string): Promise<HookFile[]> {
  const names = (await readdir(directory)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
  const files = await Promise.all(names.map((name) => readOne(join(directory, name))));
  return files.filter((file) => file !== null);
}

async function readOne(file: string): Promise<HookFile | null> {
  try {
    if (!(await stat(file)).isFile()) return null;
    return { file, text: await readFile(file, 'utf8') };
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return gone ? null : { file, problem: errorText(error) };
  }
}

import { ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, type Clock, type Component, isObject, type Log } from '#core';
import { type FileLock, tryLockFile } from '#native';

/** For a former sidecar to drain and end: its deadline, and a little more. */
const WAIT_MS = 15_000;
const RETRY_MS = 100;

export interface DataLockOptions {
  readonly data: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** One sidecar a data folder: a second one waits for the first to end, then gives up. */
export class DataLock implements Component {
  readonly #options: DataLockOptions;
  #lock: FileLock | null = null;

  constructor(options: DataLockOptions) {
    this.#options = options;
  }

  /** Rejects with STATE_ILLEGAL when the folder stays in use. */
  async start(signal: AbortSignal): Promise<void> {
    const { data, clock, log } = this.#options;
    await mkdir(data, { recursive: true, mode: 0o700 });
    const path = join(data, 'sidecar.lock');
    const end = clock.monotonic() + WAIT_MS;
    for (let said = false; ; said = true) {
      try {
        this.#lock = tryLockFile(path);
      } catch (error) {
        if (!(isObject(error) && error.code === 'NATIVE_UNAVAILABLE')) throw error;
        log.warn({ data }, 'data folder not locked: the native part is missing');
        return;
      }
      if (this.#lock) break;
      const holder = readFileSync(path, 'utf8').trim();
      if (clock.monotonic() >= end)
        throw new AppError('STATE_ILLEGAL', `data folder ${data} is in use by another sidecar (process ${holder})`);
      if (!said) log.warn({ data, holder }, 'waiting for another sidecar to end');
      await clock.sleep(RETRY_MS, signal);
    }
    ftruncateSync(this.#lock.fd);
    writeSync(this.#lock.fd, `${process.pid}\n`, 0);
  }

  stop(): Promise<void> {
    this.#lock?.release();
    this.#lock = null;
    return Promise.resolve();
  }
}

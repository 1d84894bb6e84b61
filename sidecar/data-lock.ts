import { ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
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

/** Write permission of group and others. */
const OTHERS_WRITE = 0o022;

/** Makes the folder. Rejects with STATE_ILLEGAL when another user could put files into it, or links where ours are written. */
export async function ownDataFolder(data: string): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(data);
  const user = process.geteuid?.() ?? uid;
  if ((uid === user || uid === 0) && (mode & OTHERS_WRITE) === 0) return;
  throw new AppError(
    'STATE_ILLEGAL',
    `data folder ${data} has mode 0${(mode & 0o7777).toString(8)} and belongs to user ${uid}, expected user ${user} or root ` +
      `and no write permission for others: look at what is in it, then chown ${user} ${data} && chmod 700 ${data}`,
  );
}

/** One sidecar a data folder: a second one waits for the first to end, then gives up. */
export class DataLock implements Component {
  readonly #options: DataLockOptions;
  #lock: FileLock | null = null;

  constructor(options: DataLockOptions) {
    this.#options = options;
  }

  /** Rejects with STATE_ILLEGAL when the folder stays in use or is not only ours. */
  async start(signal: AbortSignal): Promise<void> {
    const { data, clock, log } = this.#options;
    await ownDataFolder(data);
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

import { closeSync, constants, openSync } from 'node:fs';
import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** A lock that goes with the process, however it ends. */
export interface FileLock {
  readonly fd: number;
  release(): void;
}

/**
 * Locks the file, which is made when missing (0600); null: another process holds it. Throws `NATIVE_UNAVAILABLE` where the addon
 * is missing, and what the system says where the file cannot be opened or locked.
 */
export function tryLockFile(path: string): FileLock | null {
  const addon = loadAddon();
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    if (addon.tryLock(fd)) return { fd, release: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw toNativeError(error);
  }
  closeSync(fd);
  return null;
}

/** The files of an image in a folder of their own, for who has no cache: an init container of an agent's pod. */
import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { AppError, isObject } from '#core';

import { removeTree } from './make.ts';
import { diskError, syncPath } from './unpack.ts';

/**
 * Copies what is in `root` to `folder`, which is then there whole or as it was before. What is there already is replaced. Throws
 * CONFIG_INVALID when `folder` is a mount point, STORE_FAILED when the disk does not take it.
 */
export async function placeAt(root: string, folder: string): Promise<void> {
  const parent = dirname(folder);
  const beside = (): string => join(parent, `.${basename(folder)}.${randomBytes(6).toString('hex')}`);
  const temporary = beside();
  const old = beside();
  try {
    await mkdir(parent, { recursive: true });
    await cp(root, temporary, { recursive: true, verbatimSymlinks: true, errorOnExist: true });
    await syncPath(temporary);
    await rename(folder, old).catch(ifMissing);
    await rename(temporary, folder);
    await syncPath(parent);
  } catch (error) {
    // Only where the second of the two did not work.
    if ((await readdir(old).catch(() => null)) !== null) await rename(old, folder).catch(() => undefined);
    if (isObject(error) && (error.code === 'EBUSY' || error.code === 'EXDEV'))
      throw new AppError('CONFIG_INVALID', `${folder} is where something is mounted, expected a folder below`);
    throw isObject(error) && 'syscall' in error ? diskError(error) : error;
  } finally {
    await removeTree(temporary);
    await removeTree(old);
  }
}

function ifMissing(error: unknown): void {
  if (!isObject(error) || error.code !== 'ENOENT') throw error;
}

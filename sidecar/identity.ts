import { randomUUID } from 'node:crypto';
import { link, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, isObject } from '#core';

import { ownDataFolder } from './data-lock.ts';

/** The sidecar's stable id: made once in a data folder. Its claims and report sequence belong to it. */
export async function sidecarId(data: string): Promise<string> {
  await ownDataFolder(data);
  const path = join(data, 'sidecar-id');
  const known = await readFile(path, 'utf8').catch(() => null);
  if (known !== null) {
    const id = known.trim();
    if (/^[0-9a-f-]{36}$/.test(id)) return id;
    throw new AppError('STORE_FAILED', `${path} holds no sidecar id: ${JSON.stringify(id.slice(0, 40))}`);
  }
  const id = randomUUID();
  const mine = `${path}.${id}`;
  const file = await open(mine, 'wx', 0o600);
  try {
    await file.writeFile(`${id}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  try {
    await link(mine, path);
    return id;
  } catch (error) {
    // Another one was first: its id is the folder's.
    if (isObject(error) && error.code === 'EEXIST') return await sidecarId(data);
    throw error;
  } finally {
    await unlink(mine);
  }
}

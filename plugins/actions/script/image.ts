/** Programs that come in an OCI image (spec khook section 10, A5). */
import { realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

import { type ActionContext, AppError, errorText, isObject } from '#core';

export interface ImageProgram {
  /** The image's root on this node, absolute. */
  readonly folder: string;
  /** The program, absolute. */
  readonly path: string;
}

/** Finds a file of an image. Throws what `bundle` throws, and CONFIG_INVALID when the image has no such program. */
export async function programIn(ref: string, file: string, bundle: ActionContext['bundle']): Promise<ImageProgram> {
  if (!bundle) throw new AppError('POLICY_REFUSED', `script: there are no images here, ${ref} cannot be used`);
  const folder = await bundle(ref);
  const path = await realpath(join(folder, file)).catch((error: unknown) => {
    const why = isObject(error) && error.code === 'ENOENT' ? 'is not in it' : `cannot be used: ${errorText(error)}`;
    throw new AppError('CONFIG_INVALID', `script: image ${ref}: ${JSON.stringify(file)} ${why}`);
  });
  const way = relative(await realpath(folder), path);
  if (way === '' || way === '..' || way.startsWith('../'))
    throw new AppError('CONFIG_INVALID', `script: image ${ref}: ${JSON.stringify(file)} leads out of it`);
  const found = await stat(path);
  if (found.isFile() && (found.mode & 0o111) !== 0) return { folder, path };
  throw new AppError('CONFIG_INVALID', `script: image ${ref}: ${JSON.stringify(file)} is no executable file`);
}

/** Makes a bundle in a folder of its own: the image's root, and beside it what it is and what is in it. */
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { type BundleFile, countFiles, describeBundle, ROOT } from './contents.ts';
import type { ImageSource, OpenImage, PullProgress, ResolvedImage } from './image.ts';
import { platformText } from './manifest.ts';
import { type ImageReference, imageText } from '#core';
import { syncPath } from './unpack.ts';

export interface MakeOptions {
  readonly reference: ImageReference;
  readonly image: OpenImage;
  readonly resolved: ResolvedImage;
  readonly source: ImageSource;
  readonly onProgress: (progress: PullProgress) => void;
}

/** Makes the folder, which must not be there, with the bundle in it: all of it on disk when it resolves. */
export async function makeBundle(
  folder: string,
  { reference, image, resolved, source, onProgress }: MakeOptions,
): Promise<BundleFile> {
  const root = join(folder, ROOT);
  await mkdir(folder);
  // Whatever the umask: users of hooks look into it.
  await chmod(folder, 0o755);
  await mkdir(root, { mode: 0o700 });
  const { tree } = await image.unpack(resolved, root, onProgress);
  const bundle: BundleFile = {
    version: 1,
    digest: resolved.digest,
    image: imageText(reference),
    platform: platformText(source.platform),
    layers: resolved.layers.map(({ digest }) => digest),
    files: countFiles(tree),
    bytes: tree.bytes,
    pulledAt: new Date(source.clock.now()).toISOString(),
  };
  for (const path of [...(await describeBundle(folder, bundle, tree)), folder]) await syncPath(path);
  return bundle;
}

/** Also where nothing may be written any more. Links are removed, not followed. */
export async function removeTree(folder: string): Promise<void> {
  await unlock(folder).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}

async function unlock(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await unlock(join(folder, entry.name));
}

/** What a package has, in a folder: `npm run build` made `dist/`, and there is no source beside it. */
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes `folder` look like the installed package of `root`; resolves with its entry point. */
export async function asPackage(root: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const entry = join(folder, 'trotline.mjs');
  await copyFile(join(root, 'trotline.mjs'), entry);
  await symlink(join(root, 'dist'), join(folder, 'dist'));
  return entry;
}

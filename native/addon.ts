import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeUnavailableError } from './errors.ts';
import type { NativeAddon } from './netlink.ts';

/** From the source, from `dist/native` and from a bundle in `dist`, the build folder is this near. */
const LEVELS = 4;

let addon: NativeAddon | null = null;

/** Loads the addon on first use. Throws `NativeUnavailableError` where it cannot, and tries again on the next call. */
export function loadAddon(): NativeAddon {
  if (addon !== null) return addon;
  const path = builtFile('trotline.node');
  if (!existsSync(path)) throw new NativeUnavailableError(path, 'the native addon was not built');
  try {
    const loaded: NativeAddon = createRequire(import.meta.url)(path);
    addon = loaded;
    return loaded;
  } catch (cause) {
    throw new NativeUnavailableError(path, 'the native addon does not load here', cause);
  }
}

/** Where the build puts `name`; the nearest place where it should be when it is not there. */
export function builtFile(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates: string[] = [];
  for (let folder = here; candidates.length < LEVELS; folder = dirname(folder)) {
    candidates.push(join(folder, 'native/build/Release', name));
  }
  return candidates.find((path) => existsSync(path)) ?? join(here, 'build/Release', name);
}

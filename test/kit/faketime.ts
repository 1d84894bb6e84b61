/** libfaketime, which gives single processes a wall clock that tests may set; the machine's clock is never touched. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
const FETCHED = join(CACHE, 'libfaketime');
const LIBRARY = 'lib/*/faketime/libfaketime.so.1';

/** The library's path: the machine's own, else that of a Debian package which is unpacked into the cache; null where neither is to be had. */
export function faketimeLibrary(): string | null {
  return installed() ?? (fetchPackage() ? installed() : null);
}

function installed(): string | null {
  return globSync([join('/usr', LIBRARY), join(FETCHED, 'usr', LIBRARY)])[0] ?? null;
}

function fetchPackage(): boolean {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    if (spawnSync('apt-get', ['download', 'libfaketime'], { cwd: folder, timeout: 20_000 }).status !== 0) return false;
    const [archive = ''] = globSync(join(folder, '*.deb'));
    const unpacked = join(folder, 'unpacked');
    if (spawnSync('dpkg', ['-x', archive, unpacked]).status !== 0) return false;
    rmSync(FETCHED, { recursive: true, force: true });
    renameSync(unpacked, FETCHED);
    return true;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

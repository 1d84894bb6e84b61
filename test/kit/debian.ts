/** Programs and libraries of Debian for tests: fetched once, unpacked into the cache, never installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

/** The folder into which these packages are unpacked, all of them; null where they cannot be fetched. */
export function unpackedPackages(name: string, packages: readonly string[]): string | null {
  const folder = join(CACHE, name);
  return existsSync(folder) || fetchPackages(folder, packages) ? folder : null;
}

function fetchPackages(folder: string, packages: readonly string[]): boolean {
  mkdirSync(CACHE, { recursive: true });
  const fetched = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    if (spawnSync('apt-get', ['download', ...packages], { cwd: fetched, timeout: 60_000 }).status !== 0) return false;
    const unpacked = join(fetched, 'unpacked');
    const archives = globSync(join(fetched, '*.deb'));
    if (archives.some((archive) => spawnSync('dpkg', ['-x', archive, unpacked]).status !== 0)) return false;
    // Whoever was first has the same.
    if (!existsSync(folder)) renameSync(unpacked, folder);
    return true;
  } finally {
    rmSync(fetched, { recursive: true });
  }
}

export interface DebianProgram {
  /** `docker-registry`. */
  readonly name: string;
  /** The package that has it. */
  readonly package: string;
  /** Where the package has it: `usr/bin/docker-registry`. */
  readonly path: string;
}

/** The program's path; null where it is neither on PATH nor to be had. With CI=true that is a failure, else it is told in one line. */
export function debianProgram(program: DebianProgram): string | null {
  const found = onPath(program.name) ?? unpacked(program);
  if (found !== null) return found;
  const missing = `no ${program.name} (apt-get update && apt-get install ${program.package})`;
  if (process.env.CI === 'true') throw new Error(missing);
  console.warn(`skipped: ${missing}`);
  return null;
}

function onPath(name: string): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

function unpacked({ package: name, path }: DebianProgram): string | null {
  const folder = unpackedPackages(name, [name]);
  return folder === null ? null : join(folder, path);
}

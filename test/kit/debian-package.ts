/** Programs of Debian packages for tests: the machine's own, else unpacked into a cache folder; nothing is installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

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
  const found = onPath(program.name) ?? cached(program) ?? (fetchPackage(program.package) ? cached(program) : null);
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

function cached({ package: name, path }: DebianProgram): string | null {
  const file = join(CACHE, name, path);
  return existsSync(file) ? file : null;
}

function fetchPackage(name: string): boolean {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    if (spawnSync('apt-get', ['download', name], { cwd: folder, timeout: 30_000 }).status !== 0) return false;
    const [archive = ''] = globSync(join(folder, '*.deb'));
    const unpacked = join(folder, 'unpacked');
    if (spawnSync('dpkg', ['-x', archive, unpacked]).status !== 0) return false;
    rmSync(join(CACHE, name), { recursive: true, force: true });
    renameSync(unpacked, join(CACHE, name));
    return true;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

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

function downloaded(folder: string, packages: readonly string[], options: readonly string[] = []): boolean {
  return spawnSync('apt-get', [...options, 'download', ...packages], { cwd: folder, timeout: 60_000 }).status === 0;
}

/** Of a machine that has never heard what there is: lists of our own, which leave those of the machine alone and need no rights. */
function ownLists(folder: string): string[] {
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(folder, 'apt', name), { recursive: true });
  const places = { 'Dir::State::lists': 'lists', 'Dir::Cache': '.', 'Dir::Cache::archives': 'archives' };
  const options = Object.entries(places).flatMap(([name, place]) => ['-o', `${name}=${join(folder, 'apt', place)}`]);
  if (process.getuid?.() === 0) options.push('-o', 'APT::Sandbox::User=root');
  spawnSync('apt-get', [...options, 'update'], { cwd: folder, timeout: 120_000 });
  return options;
}

function fetchPackages(folder: string, packages: readonly string[]): boolean {
  mkdirSync(CACHE, { recursive: true });
  const fetched = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    if (!downloaded(fetched, packages) && !downloaded(fetched, packages, ownLists(fetched))) return false;
    const unpacked = join(fetched, 'unpacked');
    const archives = globSync(join(fetched, '*.deb'));
    if (archives.some((archive) => spawnSync('dpkg', ['-x', archive, unpacked]).status !== 0)) return false;
    try {
      renameSync(unpacked, folder);
    } catch (error) {
      // Whoever was first has the same.
      if (!existsSync(folder)) throw error;
    }
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

import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import { type SpawnEnded, type SpawnRequest, Spawner, type SpawnerOptions } from '#native';
import { eventually } from '../kit/eventually.ts';

/** For runs that nobody aborts. */
export const never: AbortSignal = new AbortController().signal;
// Not the private folder for temporary files: programs of other users run in it too.
export const folder = mkdtempSync('/tmp/spawner-test-');
export const lockFile = join(folder, 'lock');

const opened: Spawner[] = [];
/** In the environment of every program of a test, so that what is left of it can be found. */
let mark = '';

/** Makes the tests of a file find their programs, and leave none. */
export function setUpSpawners(): void {
  beforeEach(() => {
    mark = randomUUID();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((spawner) => spawner.stop()));
    await eventually(() => expect(marked()).toEqual([]));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
}

/** A spawner that the test's end stops. */
export async function open(options: Partial<SpawnerOptions> = {}): Promise<Spawner> {
  const spawner = await Spawner.start({ lockFile: null, ...options });
  opened.push(spawner);
  return spawner;
}

export function program(argv: readonly string[], more: Partial<SpawnRequest> = {}): SpawnRequest {
  return {
    argv,
    env: { PATH: '/usr/bin:/bin', MARK: mark },
    timeoutMs: 20_000,
    stdin: null,
    directory: null,
    cgroup: null,
    uid: null,
    gid: null,
    groups: [],
    limits: {},
    outputLimit: 65_536,
    ...more,
  };
}

export function shell(text: string, more: Partial<SpawnRequest> = {}): SpawnRequest {
  return program(['/bin/sh', '-c', text], more);
}

/** Three ways out of a shell's tree, in five processes or more, each of which would write `file` after a second. */
export function escapes(file: string): string {
  const late = `sleep 1; echo late >> ${file}`;
  return `(${late}) & setsid sh -c '${late}' & (setsid sh -c "(${late}) & exit" &); `;
}

/** Starts it and waits until it has `count` processes. */
export async function running(
  spawner: Spawner,
  request: SpawnRequest,
  signal: AbortSignal = never,
  count = 1,
): Promise<{ ended: Promise<SpawnEnded> }> {
  const before = marked().length;
  const ended = spawner.run(request, signal);
  ended.catch(() => {});
  await eventually(() => expect(marked().length).toBeGreaterThanOrEqual(before + count));
  return { ended };
}

/** Living processes of the current test. A zombie has no environment. */
export function marked(): number[] {
  return processes().filter((pid) => procText(pid, 'environ').includes(`MARK=${mark}`));
}

export function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty when the process is gone. */
export function procText(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

export function statOf(pid: number): { state: string; parent: number } {
  const [state = '', parent = ''] = procText(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
  return { state, parent: Number(parent) };
}

export function childrenOf(parent: number): number[] {
  return processes().filter((pid) => statOf(pid).parent === parent);
}

/** What /proc tells of a process. */
import { readdir, readFile } from 'node:fs/promises';

/** The kernel keeps fifteen characters. */
const SPAWNER = 'trotline-spawne';

export async function rssMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

/** The sidecar's spawner; null before its first program. */
export async function spawnerOf(sidecar: number): Promise<number | null> {
  for (const pid of await childrenOf(sidecar)) if ((await nameOf(pid)) === SPAWNER) return pid;
  return null;
}

export async function nameOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim();
}

/** Children of all of its threads. */
export async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter((word) => word.trim() !== '')).map(Number);
}

/** Limits of a whole tree of processes: a cgroup v2 for each program that has some, where the node lets us make them. */
import { mkdir, readdir, readFile, rmdir, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { AppError, type CgroupLimits, errorText, isObject } from '#core';

/** CGROUP2_SUPER_MAGIC of statfs(2). */
const CGROUP2 = 0x63677270;
/** A cgroup that holds processes hands no controllers down: those of the sidecar go into this one below it. */
const OWN = 'trotline';
const REMEDY =
  'run the sidecar in a cgroup of its own that is delegated to it (systemd: Delegate=yes), or leave limits.cgroup out';
/** An end is told while the kernel still takes the last process out. */
const REMOVE_AFTER_MS = [0, 1, 10, 100, 1000];

interface Limit {
  readonly controller: string;
  /** File → text. */
  readonly settings: (value: number) => Readonly<Record<string, string>>;
}

const LIMITS: Readonly<Record<keyof CgroupLimits, Limit>> = {
  memoryBytes: {
    controller: 'memory',
    settings: (value) => ({ 'memory.oom.group': '1', 'memory.max': String(value) }),
  },
  pids: { controller: 'pids', settings: (value) => ({ 'pids.max': String(value) }) },
  // Microseconds of each tenth of a second.
  cpuPercent: { controller: 'cpu', settings: (value) => ({ 'cpu.max': `${value * 1000} 100000` }) },
};

export interface CgroupsOptions {
  /** Default `/sys/fs/cgroup`. */
  readonly mount?: string;
  /** Default: those of cgroup v2. */
  readonly limits?: Readonly<Record<keyof CgroupLimits, Limit>>;
}

/** The cgroup of one program; disposed of when the program's tree has ended: what is left in it is killed, and it is removed. */
export interface ProgramCgroup extends AsyncDisposable {
  readonly path: string;
}

export class Cgroups {
  readonly #mount: string;
  readonly #limits: Readonly<Record<keyof CgroupLimits, Limit>>;
  /** The cgroup below which programs have theirs, once it was made ready for all controllers that it has. */
  #parent: Promise<string> | null = null;
  #made = 0;

  constructor({ mount = '/sys/fs/cgroup', limits = LIMITS }: CgroupsOptions = {}) {
    this.#mount = mount;
    this.#limits = limits;
  }

  /** Throws POLICY_REFUSED, with what to do, where this node cannot; asked anew each time, so a remedy needs no restart. */
  async enter(limits: CgroupLimits): Promise<ProgramCgroup> {
    const wanted = Object.entries(limits).flatMap(([name, value]) => {
      const limit = isLimit(name) ? this.#limits[name] : undefined;
      return limit && value !== undefined ? [{ ...limit, value }] : [];
    });
    const parent = await this.#ready(wanted.map(({ controller }) => controller));
    const path = join(parent, `script-${process.pid}-${++this.#made}`);
    const cgroup = { path, [Symbol.asyncDispose]: () => remove(path) };
    try {
      await mkdir(path);
      for (const { settings, value } of wanted) {
        for (const [file, text] of Object.entries(settings(value))) await write(join(path, file), text);
      }
      return cgroup;
    } catch (error) {
      await remove(path);
      throw refused(errorText(error), error);
    }
  }

  async #ready(controllers: readonly string[]): Promise<string> {
    const own = await this.#own();
    // Before anything is changed: a node without them stays as it was.
    const present = await words(join(own, 'cgroup.controllers')).catch((error: unknown) => {
      throw refused(errorText(error), error);
    });
    const missing = controllers.filter((controller) => !present.includes(controller));
    if (missing.length > 0) throw refused(`${own} has no ${missing.join(' and no ')} controller`);
    this.#parent ??= this.#prepare(own, present).catch((error: unknown) => {
      this.#parent = null;
      throw error instanceof AppError ? error : refused(errorText(error), error);
    });
    return this.#parent;
  }

  /** The sidecar's cgroup as it was before it moved into the one below. */
  async #own(): Promise<string> {
    const { type } = await statfs(this.#mount).catch(() => ({ type: 0 }));
    if (type !== CGROUP2) throw refused(`${this.#mount} is no cgroup v2 hierarchy`);
    const line = (await readFile('/proc/self/cgroup', 'utf8')).split('\n').find((each) => each.startsWith('0::/'));
    if (line === undefined || line.startsWith('0::/..'))
      throw refused(`the sidecar's cgroup is not below ${this.#mount}`);
    const own = join(this.#mount, line.slice('0::'.length));
    return basename(own) === OWN ? dirname(own) : own;
  }

  async #prepare(own: string, present: readonly string[]): Promise<string> {
    await removeLeft(own);
    const usable = Object.values(this.#limits)
      .map(({ controller }) => controller)
      .filter((controller) => present.includes(controller));
    const handedDown = await words(join(own, 'cgroup.subtree_control'));
    if (usable.every((controller) => handedDown.includes(controller))) return own;
    // Only the root of the hierarchy has no type, and it may hold processes beside.
    const isRoot = await readFile(join(own, 'cgroup.type')).then(
      () => false,
      () => true,
    );
    if (!isRoot) await moveAside(own);
    await write(join(own, 'cgroup.subtree_control'), usable.map((controller) => `+${controller}`).join(' '));
    return own;
  }
}

function isLimit(name: string): name is keyof CgroupLimits {
  return Object.hasOwn(LIMITS, name);
}

/** Moves the sidecar and what it started; refuses to touch what others have in this cgroup. */
async function moveAside(own: string): Promise<void> {
  // What is started meanwhile needs another round.
  for (let round = 0; round < 10; round++) {
    const pids = await words(join(own, 'cgroup.procs'));
    const parents = await parentsOf(pids);
    const stranger = pids.find((pid) => !isOurs(pid, parents));
    if (stranger !== undefined) throw refused(`${own} holds processes of others too (${stranger})`);
    if (pids.length === 0) return;
    await mkdir(join(own, OWN), { recursive: true });
    for (const pid of pids) await write(join(own, OWN, 'cgroup.procs'), pid).catch(ignoring('ESRCH'));
  }
}

/** Whether it is the sidecar or below it. */
function isOurs(pid: string, parents: ReadonlyMap<string, string>): boolean {
  for (let at: string | undefined = pid; at !== undefined; at = parents.get(at)) {
    if (at === String(process.pid)) return true;
  }
  return false;
}

/** Of these processes and those above them, as far as they can be seen. */
async function parentsOf(pids: readonly string[]): Promise<Map<string, string>> {
  const parents = new Map<string, string>();
  for (const pid of pids) {
    for (let at: string | undefined = pid; at !== undefined && !parents.has(at);) {
      const stat: string = await readFile(`/proc/${at}/stat`, 'latin1').catch(() => '');
      const parent: string | undefined = stat.slice(stat.lastIndexOf(')')).split(' ')[2];
      if (parent !== undefined) parents.set(at, parent);
      at = parent;
    }
  }
  return parents;
}

/** Those of a sidecar that is gone. */
async function removeLeft(own: string): Promise<void> {
  for (const name of await readdir(own)) {
    const owner = /^script-(\d+)-\d+$/.exec(name)?.[1];
    if (owner === undefined) continue;
    const alive = await readFile(`/proc/${owner}/stat`).then(
      () => true,
      () => false,
    );
    if (!alive) await remove(join(own, name));
  }
}

/** What resists is left to the next start: the program's end is not held up by it. */
async function remove(path: string): Promise<void> {
  for (const ms of REMOVE_AFTER_MS) {
    if (ms > 0) await pause(ms);
    try {
      return await rmdir(path);
    } catch (error) {
      if (codeOf(error) !== 'EBUSY') return;
      await write(join(path, 'cgroup.kill'), '1').catch(() => undefined);
    }
  }
}

async function words(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8')).split(/\s+/).filter(Boolean);
}

/** Never makes a file: in a cgroup that means there is no such limit. */
async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'r+' });
}

function ignoring(code: string): (error: unknown) => void {
  return (error) => {
    if (codeOf(error) !== code) throw error;
  };
}

function codeOf(error: unknown): unknown {
  return isObject(error) ? error.code : null;
}

function refused(reason: string, cause?: unknown): AppError {
  return new AppError('POLICY_REFUSED', `this node cannot limit a whole tree: ${reason}; ${REMEDY}`, { cause });
}

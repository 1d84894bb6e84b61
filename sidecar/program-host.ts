import { readFile } from 'node:fs/promises';

import { AppError, type Component, type Ended, errorText, isObject, type Log, type Program } from '#core';
import { type SpawnEnded, Spawner } from '#native';

import type { NodePolicy } from './policy.ts';
import { checkScript } from './script-check.ts';

/** Programs that run at a time in one sidecar, first come first served (row N30). */
const CONCURRENT = 10;
const OUTPUT_BYTES = 65_536;

export interface ProgramHostOptions {
  readonly lockFile: string;
  readonly policy: NodePolicy;
  readonly log: Log;
}

/** Runs the programs of all hooks in the one spawner, under the node's policy. */
export class ProgramHost implements Component {
  readonly #options: ProgramHostOptions;
  readonly #waiting: (() => void)[] = [];
  /** Said once. */
  readonly #warned = new Set<string>();
  #running = 0;
  #spawner: Promise<Spawner> | null = null;
  #stopped = false;

  constructor(options: ProgramHostOptions) {
    this.#options = options;
  }

  /** Rejects with POLICY_REFUSED, NATIVE_UNAVAILABLE, or INTERRUPTED when the spawner was lost with the program in it. */
  readonly run = async (program: Program, signal: AbortSignal): Promise<Ended> => {
    this.#check(program);
    const identity = program.user === null ? NO_IDENTITY : await identityOf(program.user);
    await this.#enter(signal);
    try {
      const spawner = await this.#started();
      const { argv, env, timeoutMs, stdin, directory, limits } = program;
      const request = { argv, env, timeoutMs, stdin, directory, limits, ...identity, outputLimit: OUTPUT_BYTES };
      return endedOf(await spawner.run(request, signal));
    } catch (error) {
      const code = isObject(error) ? error.code : null;
      if (code === 'SPAWNER_LOST') throw new AppError('INTERRUPTED', errorText(error), { cause: error });
      if (code !== 'SPAWNER_UNAVAILABLE') throw error;
      return { ...NOT_RUN, startError: { syscall: 'spawner', code: errorText(error), transient: true } };
    } finally {
      this.#leave();
    }
  };

  #check(program: Program): void {
    const verdict = checkScript(this.#options.policy, program);
    if (!verdict.allowed) throw new AppError('POLICY_REFUSED', verdict.reason);
    for (const warning of verdict.warnings) {
      if (this.#warned.has(warning)) continue;
      this.#warned.add(warning);
      this.#options.log.warn({ warning }, 'script can be changed by others');
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const spawner = await this.#spawner?.catch(() => null);
    await spawner?.stop();
  }

  /** The spawner is started by the first program: a node without scripts has none. */
  #started(): Promise<Spawner> {
    if (this.#stopped) throw new AppError('STATE_ILLEGAL', 'no program is started any more');
    const { lockFile, log } = this.#options;
    this.#spawner ??= Spawner.start({
      lockFile,
      onExit: (reason) => log.error({ reason }, 'spawner ended'),
    }).catch((error: unknown) => {
      this.#spawner = null;
      throw error;
    });
    return this.#spawner;
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running < CONCURRENT) {
      this.#running++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(turn);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      const turn = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(turn);
    });
  }

  /** The place goes to the next in line, or becomes free. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}

const NOT_RUN: Omit<Ended, 'startError'> = {
  exitCode: null,
  signal: null,
  timedOut: false,
  durationMs: 0,
  output: '',
  outputTruncated: false,
};

interface Identity {
  readonly uid: number | null;
  readonly gid: number | null;
  readonly groups: readonly number[];
}

const NO_IDENTITY: Identity = { uid: null, gid: null, groups: [] };

/** `user[:group]` by name or number, as the node's files say. A number without an entry has its own group and no others. */
async function identityOf(user: string): Promise<Identity> {
  const [name = '', groupName] = user.split(':');
  const users = await table('/etc/passwd');
  const groups = await table('/etc/group');
  const row = users.find(([login, , uid]) => login === name || uid === name);
  const uid = row ? Number(row[2]) : Number(name);
  if (!Number.isInteger(uid) || uid < 0)
    throw new AppError('POLICY_REFUSED', `user "${name}" is not known on this node`);
  const groupRow =
    groupName === undefined ? undefined : groups.find(([group, , gid]) => group === groupName || gid === groupName);
  const gid = groupName === undefined ? Number(row?.[3] ?? uid) : Number(groupRow?.[2] ?? groupName);
  if (!Number.isInteger(gid) || gid < 0)
    throw new AppError('POLICY_REFUSED', `group "${groupName}" is not known on this node`);
  const login = row?.[0];
  const also = groups.filter(([, , , members = '']) => login !== undefined && members.split(',').includes(login));
  return { uid, gid, groups: [gid, ...also.map(([, , id]) => Number(id))] };
}

async function table(path: string): Promise<string[][]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').map((line) => line.split(':'));
}

function endedOf(ended: SpawnEnded): Ended {
  const { exitCode, signal, startError, timedOut, durationMs, output, outputTruncated } = ended;
  return { exitCode, signal, startError, timedOut, durationMs, output, outputTruncated };
}

import { AppError, type Component, type Ended, errorText, isObject, type Log, type Program } from '#core';
import { Spawner, type SpawnerOptions } from '#native';

import { Cgroups, type ProgramCgroup } from './cgroups.ts';
import type { NodePolicy } from './policy.ts';
import { identityOf } from './program-user.ts';
import { checkScript, type ScriptVerdict } from './script-check.ts';

const OUTPUT_BYTES = 65_536;
/** A verdict holds for so long: in a storm the check would block the event loop longer than the start itself. */
const VERDICT_MS = 100;

export interface ProgramHostOptions {
  /** As in `SpawnerOptions`. */
  readonly lockFile: string | null;
  readonly policy: NodePolicy;
  readonly log: Log;
  /** As in `CheckScriptOptions`. */
  readonly inBundle?: (real: string) => boolean;
  /** Default: those below the sidecar's own. */
  readonly cgroups?: Cgroups;
  /** Default: the native spawner. */
  readonly open?: (options: SpawnerOptions) => Promise<Programs>;
}

export type Programs = Pick<Spawner, 'run' | 'stop'>;

/** Runs the programs of all hooks in the one spawner, under the node's policy. How many at a time is the actions' `places`. */
export class ProgramHost implements Component {
  readonly #options: ProgramHostOptions;
  readonly #cgroups: Cgroups;
  readonly #halt = new AbortController();
  /** Verdicts of the last moment. */
  readonly #verdicts = new Map<string, ScriptVerdict>();
  /** What was said: once is enough. */
  readonly #said = new Set<string>();
  #spawner: Promise<Programs> | null = null;

  constructor(options: ProgramHostOptions) {
    this.#options = options;
    this.#cgroups = options.cgroups ?? new Cgroups();
  }

  /**
   * Resolves with SIGKILL when the signal aborts, also while the spawner starts. Rejects when nothing ran:
   * POLICY_REFUSED, NATIVE_UNAVAILABLE (not built), PEER_UNAVAILABLE (the spawner cannot serve); with INTERRUPTED when
   * the spawner was lost with the program in it.
   */
  readonly run = async (program: Program, signal: AbortSignal): Promise<Ended> => {
    if (signal.aborted) return KILLED;
    try {
      this.#check(program);
      const identity = await identityOf(program.user);
      const spawner = await untilAborted(this.#serving(), signal);
      if (!spawner || signal.aborted) return KILLED;
      const { argv, env, timeoutMs, stdin, directory, limits } = program;
      await using tree = await this.#enterCgroup(program);
      const cgroup = tree?.path ?? null;
      const request = {
        argv,
        env,
        timeoutMs,
        stdin,
        directory,
        cgroup,
        limits,
        ...identity,
        outputLimit: OUTPUT_BYTES,
        ...(program.errorsApart === true ? { errorLimit: OUTPUT_BYTES } : {}),
      };
      return await spawner.run(request, signal);
    } catch (error) {
      throw hostError(error);
    }
  };

  /** Also ends the wait for an older spawner's programs. */
  async stop(): Promise<void> {
    this.#halt.abort();
    const spawner = await this.#spawner?.catch(() => null);
    await spawner?.stop();
  }

  /** A node that cannot do it says so once in the log, and as the reason of each such attempt. */
  async #enterCgroup({ cgroup }: Program): Promise<ProgramCgroup | null> {
    try {
      return cgroup && (await this.#cgroups.enter(cgroup));
    } catch (error) {
      const reason = errorText(error);
      if (this.#isNew(reason)) this.#options.log.error({ reason }, 'no cgroup, programs with such limits do not run');
      throw error;
    }
  }

  #check(program: Program): void {
    const verdict = this.#verdict(program);
    if (!verdict.allowed) throw new AppError('POLICY_REFUSED', verdict.reason);
    for (const warning of verdict.warnings) {
      if (this.#isNew(warning)) this.#options.log.warn({ warning }, 'script can be changed by others');
    }
  }

  #verdict(program: Program): ScriptVerdict {
    const key = JSON.stringify([program.argv[0], program.user, program.shell]);
    const known = this.#verdicts.get(key);
    if (known) return known;
    if (this.#verdicts.size === 0) setTimeout(() => this.#verdicts.clear(), VERDICT_MS).unref();
    const { policy, inBundle } = this.#options;
    const verdict = checkScript(policy, program, inBundle ? { inBundle } : {});
    this.#verdicts.set(key, verdict);
    return verdict;
  }

  /** The spawner is started by the first program: a node without scripts has none. */
  #serving(): Promise<Programs> {
    if (this.#halt.signal.aborted) throw new AppError('STATE_ILLEGAL', 'no program is started any more');
    const { lockFile, log, open = (options) => Spawner.start(options) } = this.#options;
    const onExit = (reason: string): void => log.error({ reason }, 'spawner ended');
    this.#spawner ??= open({ lockFile, onExit, signal: this.#halt.signal }).catch((error: unknown) => {
      this.#spawner = null;
      const reason = errorText(error);
      if (this.#isNew(reason)) log.error({ reason }, 'no spawner, no program runs');
      throw error;
    });
    return this.#spawner;
  }

  #isNew(text: string): boolean {
    return this.#said.size < this.#said.add(text).size;
  }
}

const KILLED: Ended = {
  exitCode: null,
  signal: 'SIGKILL',
  startError: null,
  timedOut: false,
  durationMs: 0,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

const CODES = {
  NATIVE_UNAVAILABLE: 'NATIVE_UNAVAILABLE',
  SPAWNER_UNAVAILABLE: 'PEER_UNAVAILABLE',
  SPAWNER_LOST: 'INTERRUPTED',
} as const;

/** The native part's errors under the codes of this project; anything else is a defect and stays as it is. */
function hostError(error: unknown): unknown {
  const code = isObject(error) ? error.code : null;
  const known = Object.entries(CODES).find(([native]) => native === code);
  return known ? new AppError(known[1], errorText(error), { cause: error }) : error;
}

/** Null when the signal aborts first; the work goes on for others. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const aborted = Promise.withResolvers<null>();
  const abort = (): void => aborted.resolve(null);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

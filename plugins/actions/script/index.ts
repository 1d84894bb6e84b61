/** Runs a program for each event. Config, permissions and risks: ./README.md. */
import {
  type ActionContext,
  type Action,
  type AgentCall,
  AppError,
  cloudEvent,
  defineAction,
  type Infer,
  type Program,
  type Result,
} from '#core';

import { askProgram, nobodyWaits } from '../../judges.ts';

import { config } from './config.ts';
import { scriptEnvironment, unfit } from './environment.ts';
import { type ImageProgram, programIn } from './image.ts';
import { resultOf } from './result.ts';

/** One absolute path without white space or characters that a shell reads. */
const PLAIN_PATH = /^\/[\p{L}\p{N}_./@%+=:,-]+$/u;
/** Programs of one sidecar (spec nlmon A10.15). */
const AT_ONCE = 10;
const MAX_STDIN_BYTES = 4 * 1024 * 1024;

export const script = defineAction({
  type: 'script',
  stability: 'experimental',
  config,
  places: () => ({ of: 'programs', count: AT_ONCE }),
  create: (options, { run, bundle }) => {
    const { timeout: timeoutMs, directory = null, user = null, ref } = options;
    const { cgroup = null, ...limits } = options.limits ?? {};
    const given = { ...programOf(options), timeoutMs, directory, user, limits, cgroup };
    const works = options.protocol === 'claude-command' ? judging(run) : telling(run, options.stdin === 'event');
    if (ref === undefined) return works(() => ({ ...given, env: {} }));
    return fromImage(given, works, (file) => programIn(ref, file, bundle));
  },
});

/** What all attempts of a hook start, and what more than the rest their environment has. */
type Start = Omit<Program, 'stdin'>;

/** The program is there once the action has started. */
function fromImage(
  given: Omit<Start, 'env'>,
  works: (start: () => Start) => Action,
  find: (file: string) => Promise<ImageProgram>,
): Action {
  let found: ImageProgram | null = null;
  const [file = '', ...rest] = given.argv;
  const start = (): Start => {
    if (!found) throw new AppError('STATE_ILLEGAL', 'script: its image is not there before the start');
    return { ...given, argv: [found.path, ...rest], env: { TROTLINE_BUNDLE: found.folder } };
  };
  return { ...works(start), start: async () => void (found = await find(file)) };
}

/** A program that is told of events. */
function telling(run: ActionContext['run'], isOnStdin: boolean): (start: () => Start) => Action {
  return (start) => ({
    async handle(event, attempt) {
      const program = start();
      const env = { ...scriptEnvironment(event, attempt), ...program.env };
      const stdin = isOnStdin ? JSON.stringify(cloudEvent(event)) : null;
      const problem = unfit(env) ?? tooLong(stdin);
      if (problem !== null) return { status: 'rejected', reason: problem };
      try {
        return resultOf(await run({ ...program, env, stdin }, attempt.signal));
      } catch (error) {
        return notRun(error);
      }
    },
  });
}

/** A program that judges: it is told what the agent is about to do, in the folder where the agent works. */
function judging(run: ActionContext['run']): (start: () => Start) => Action {
  return (start) => ({
    handle: async (event) => nobodyWaits(event),
    judge(question, { hook, deliveryId, signal }) {
      const program = start();
      const env = {
        ...scriptEnvironment(question.event, { hook, deliveryId, number: 1 }),
        ...projectOf(question.call),
        ...program.env,
      };
      const problem = unfit(env);
      if (problem !== null) throw new AppError('MESSAGE_INVALID', problem);
      return askProgram(run, { ...program, env }, question, { signal });
    },
  });
}

/** As Claude Code names it for the programs that it starts itself. */
function projectOf({ cwd }: AgentCall): Record<string, string> {
  return cwd === '' ? {} : { CLAUDE_PROJECT_DIR: cwd };
}

/** nlmon's `script` is one absolute path, or else shell text (design section 8). */
function programOf({ command, script: text, ref }: Infer<typeof config>): { argv: readonly string[]; shell: boolean } {
  if (command) {
    const [path = ''] = command;
    if (path.startsWith('/')) return { argv: command, shell: false };
    throw new AppError('CONFIG_INVALID', `script: ${JSON.stringify(path)} is not an absolute path`);
  }
  if (text === undefined || ref !== undefined) throw new AppError('CONFIG_INVALID', 'script: `command` is missing');
  return PLAIN_PATH.test(text) ? { argv: [text], shell: false } : { argv: ['/bin/sh', '-c', text], shell: true };
}

function tooLong(stdin: string | null): string | null {
  const bytes = Buffer.byteLength(stdin ?? '');
  return bytes > MAX_STDIN_BYTES ? `the event is ${bytes} bytes, at most ${MAX_STDIN_BYTES} fit on stdin` : null;
}

/** The host's word that nothing ran; what was cut short under way is the host's to tell, and so are defects. */
function notRun(error: unknown): Result {
  if (!(error instanceof AppError) || error.code === 'INTERRUPTED') throw error;
  return { status: error.retryable ? 'retry' : 'rejected', reason: error.message };
}

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
  create: (options, { run }) => {
    const { timeout: timeoutMs, directory = null, user = null } = options;
    const { cgroup = null, ...limits } = options.limits ?? {};
    const program = { ...programOf(options), timeoutMs, directory, user, limits, cgroup };
    if (options.protocol === 'claude-command') return judging(program, run);
    return {
      async handle(event, attempt) {
        const env = scriptEnvironment(event, attempt);
        const stdin = options.stdin === 'event' ? JSON.stringify(cloudEvent(event)) : null;
        const problem = unfit(env) ?? tooLong(stdin);
        if (problem !== null) return { status: 'rejected', reason: problem };
        try {
          return resultOf(await run({ ...program, env, stdin }, attempt.signal));
        } catch (error) {
          return notRun(error);
        }
      },
    };
  },
});

/** A program that judges: it is told what the agent is about to do, in the folder where the agent works. */
function judging(program: Omit<Program, 'env' | 'stdin'>, run: ActionContext['run']): Action {
  return {
    handle: async (event) => nobodyWaits(event),
    judge(question, { hook, deliveryId, signal }) {
      const env = {
        ...scriptEnvironment(question.event, { hook, deliveryId, number: 1 }),
        ...projectOf(question.call),
      };
      const problem = unfit(env);
      if (problem !== null) throw new AppError('MESSAGE_INVALID', problem);
      return askProgram(run, { ...program, env }, question, { signal });
    },
  };
}

/** As Claude Code names it for the programs that it starts itself. */
function projectOf({ cwd }: AgentCall): Record<string, string> {
  return cwd === '' ? {} : { CLAUDE_PROJECT_DIR: cwd };
}

/** nlmon's `script` is one absolute path, or else shell text (design section 8). */
function programOf({ command, script: text }: Infer<typeof config>): { argv: readonly string[]; shell: boolean } {
  if (command) {
    const [path = ''] = command;
    if (path.startsWith('/')) return { argv: command, shell: false };
    throw new AppError('CONFIG_INVALID', `script: ${JSON.stringify(path)} is not an absolute path`);
  }
  if (text === undefined) throw new AppError('CONFIG_INVALID', 'script: `command` is missing');
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

/** Runs a program for each event. Config, permissions and risks: ./README.md. */
import { AppError, cloudEvent, defineAction, type Infer, type Result } from '#core';

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

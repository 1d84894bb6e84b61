/** Runs a program for each event. Config, permissions and risks: ./README.md. */
import { AppError, cloudEvent, defineAction, type Ended, type Infer, type Result } from '#core';

import { config } from './config.ts';
import { scriptEnvironment } from './environment.ts';

/** EX_TEMPFAIL of sysexits: the script itself asks for another attempt. */
const TRY_AGAIN = 75;

export const script = defineAction({
  type: 'script',
  stability: 'experimental',
  config,
  create: (options, { run }) => {
    const program = { ...programOf(options), timeoutMs: options.timeout, directory: options.directory ?? null };
    return {
      async handle(event, attempt) {
        const env = scriptEnvironment(event, attempt);
        const stdin = options.stdin === 'event' ? JSON.stringify(cloudEvent(event)) : null;
        try {
          const user = options.user ?? null;
          return resultOf(await run({ ...program, env, stdin, user, limits: options.limits ?? {} }, attempt.signal));
        } catch (error) {
          if (error instanceof AppError && error.code === 'POLICY_REFUSED')
            return { status: 'rejected', reason: error.message };
          throw error;
        }
      },
    };
  },
});

/** nlmon's `script` is one absolute path, or else shell text (design section 8). */
function programOf({ command, script: text }: Infer<typeof config>): { argv: readonly string[]; shell: boolean } {
  if (command) return { argv: command, shell: false };
  if (text === undefined) throw new AppError('CONFIG_INVALID', 'script: neither `command` nor `script` is given');
  return /^\/[\w./@%+=:,-]+$/.test(text)
    ? { argv: [text], shell: false }
    : { argv: ['/bin/sh', '-c', text], shell: true };
}

function resultOf(ended: Ended): Result {
  const { exitCode, signal, startError, output, timedOut } = ended;
  if (startError) {
    const reason = `${startError.syscall} failed: ${startError.code}`;
    return { status: startError.transient ? 'retry' : 'rejected', reason, detail: reason };
  }
  const detail = timedOut
    ? `timed out after ${Math.round(ended.durationMs)} ms`
    : signal === null
      ? `exit ${exitCode}`
      : signal;
  const seen = { detail, output, timedOut };
  if (exitCode === 0) return { status: 'delivered', ...seen };
  return { status: exitCode === TRY_AGAIN ? 'retry' : 'rejected', reason: detail, ...seen };
}

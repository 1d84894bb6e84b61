/** The command line in this process, without a terminal. */
import { join } from 'node:path';

import { plain, type Terminal } from '../../../control-plane/cli/output.ts';
import { run } from '../../../control-plane/cli/program.ts';

interface Captured extends Terminal {
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export function capture(over: Partial<Terminal> = {}): Captured {
  let stdout = '';
  let stderr = '';
  return {
    out: (text) => (stdout += text),
    err: (text) => (stderr += text),
    width: Infinity,
    interactive: false,
    paint: plain,
    ...over,
    stdout: () => stdout,
    stderr: () => stderr,
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** With its data below `root`. */
export const runIn = (root: string, argv: readonly string[]): Promise<Ran> =>
  runWith({ TROTLINE_DATA: join(root, 'data') }, argv);

export async function runWith(env: NodeJS.ProcessEnv, argv: readonly string[]): Promise<Ran> {
  const terminal = capture();
  const never = new AbortController().signal;
  const code = await run(argv, {
    terminal,
    env,
    signal: never,
    urgent: never,
    exitCode: 0,
    heedsStop: false,
  });
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

import { loadAddon } from './addon.ts';
import { NativeError, toNativeError } from './errors.ts';

/** Set by `trotline-launcher` for what it starts: the descriptor of the line to it. */
const LINE = 'TROTLINE_LAUNCHER_FD';

/** As the launcher numbers them. */
const HELPERS = { opener: 1, spawner: 2 } as const;

const GONE = new Set(['EPIPE', 'ECONNRESET']);

/** A helper that the launcher has started, with the capabilities that this process has not. */
export interface LaunchedHelper {
  readonly pid: number;
  /** Of an opener: its line. Of a spawner: its standard input and output. The caller closes them, which ends it. */
  readonly descriptors: readonly number[];
}

/**
 * Null where no launcher started this process. Throws `NativeError` when the launcher is gone, could not start it or does not
 * answer within a second, an `Error` when the variable names no descriptor.
 */
export function launch(helper: keyof typeof HELPERS, lockFile: string | null): LaunchedHelper | null {
  const text = process.env[LINE];
  if (text === undefined) return null;
  if (!/^\d+$/.test(text)) throw new Error(`${LINE} is ${JSON.stringify(text)}, expected the number of a descriptor`);
  try {
    return loadAddon().startHelper(Number(text), HELPERS[helper], lockFile ?? '');
  } catch (error) {
    throw refusal(helper, toNativeError(error));
  }
}

function refusal(helper: string, error: unknown): unknown {
  if (!(error instanceof NativeError)) return error;
  const { message, code, errno, syscall } = error;
  const reason = code === 'ETIMEDOUT' ? 'it does not answer' : GONE.has(code) ? 'it is gone' : message;
  return new NativeError(`trotline-launcher did not start the ${helper}: ${reason}`, errno, syscall);
}

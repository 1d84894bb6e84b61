import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';

/** Set by `trotline-launcher` for what it starts: the descriptor of the line to it. */
const LINE = 'TROTLINE_LAUNCHER_FD';

/** As the launcher numbers them. */
const HELPERS = { opener: 1, spawner: 2 } as const;

/** A helper that the launcher has started, with the capabilities that this process has not. */
export interface LaunchedHelper {
  readonly pid: number;
  /** Of an opener: its line. Of a spawner: its standard input and output. The caller closes them, which ends it. */
  readonly descriptors: readonly number[];
}

/** Null where no launcher started this process. Throws `NativeError` when the launcher is gone or could not start it. */
export function launch(helper: keyof typeof HELPERS, lockFile: string | null): LaunchedHelper | null {
  const line = Number(process.env[LINE] ?? -1);
  if (!(Number.isInteger(line) && line >= 0)) return null;
  try {
    return loadAddon().startHelper(line, HELPERS[helper], lockFile ?? '');
  } catch (error) {
    throw toNativeError(error);
  }
}

import { spawn } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { builtFile, loadAddon } from './addon.ts';
import { NativeUnavailableError, toNativeError } from './errors.ts';

/** Set by `trotline-launcher`: the descriptor of the line to the opener that it started. */
const GIVEN = 'TROTLINE_OPENER_FD';

/** The process that opens sockets with the capabilities that this one need not have. */
export interface Opener {
  /** Its line, for `openNetlinkReader`. */
  readonly fd: number;
  /** After the reader is closed. The opener ends by itself when its line does. Idempotent. */
  close(): void;
}

/** Starts an opener, or takes the one that the launcher started. Throws `NativeUnavailableError` where it was not built. */
export function startOpener(): Opener {
  const given = Number(process.env[GIVEN] ?? -1);
  if (given >= 0) return { fd: given, close: () => undefined };
  const binary = builtFile('trotline-opener');
  if (!existsSync(binary)) throw new NativeUnavailableError(binary, 'the opener was not built');
  const [ours, theirs] = openLine();
  const child = spawn(binary, [], { stdio: [theirs, 'ignore', 'inherit'], env: {}, cwd: '/', detached: true });
  // Should it not start, its end of the line is closed, and that is what the reader says.
  child.on('error', () => undefined);
  child.unref();
  closeSync(theirs);
  let open = true;
  return {
    fd: ours,
    close: () => {
      if (open) closeSync(ours);
      open = false;
    },
  };
}

function openLine(): [number, number] {
  try {
    return loadAddon().openLine();
  } catch (error) {
    throw toNativeError(error);
  }
}

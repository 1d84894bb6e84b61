import { spawn } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { builtFile, loadAddon } from './addon.ts';
import { NativeUnavailableError, toNativeError } from './errors.ts';
import { launch } from './launcher.ts';

/** The process that opens sockets with the capabilities that this one need not have. */
export interface Opener {
  /** Its line, for `openNetlinkReader`. */
  readonly fd: number;
  /** After the reader is closed. The opener ends by itself when its line does. Idempotent. */
  close(): void;
}

/**
 * Starts an opener, by the launcher where one started this process. Throws `NativeUnavailableError` where it was not built,
 * `NativeError` where the launcher could not.
 */
export function startOpener(): Opener {
  const [line] = launch('opener', null)?.descriptors ?? [];
  if (line !== undefined) return opened(line);
  const binary = builtFile('trotline-opener');
  if (!existsSync(binary)) throw new NativeUnavailableError(binary, 'the opener was not built');
  const [ours, theirs] = openLine();
  const child = spawn(binary, [], { stdio: [theirs, 'ignore', 'inherit'], env: {}, cwd: '/', detached: true });
  // Should it not start, its end of the line is closed, and that is what the reader says.
  child.on('error', () => undefined);
  child.unref();
  closeSync(theirs);
  return opened(ours);
}

function opened(fd: number): Opener {
  let open = true;
  return {
    fd,
    close: () => {
      if (open) closeSync(fd);
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

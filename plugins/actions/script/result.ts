import type { Ended, Result } from '#core';

/** EX_TEMPFAIL of sysexits: the script itself asks for another attempt. */
const TRY_AGAIN = 75;

/** What people ask next, by the code of a start that failed. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'the program, its interpreter or its directory is missing',
  EACCES: 'it is not executable, or a folder on the way is closed',
  ENOEXEC: 'it is no program; a script begins with a line like #!/bin/sh',
  EPERM: 'another user or a higher limit needs the capabilities SETUID, SETGID or SYS_RESOURCE',
};

/** The result that an end is (design section 6.6). */
export function resultOf(ended: Ended): Result {
  const { exitCode, startError, output, timedOut } = ended;
  if (startError) {
    const reason = notStarted(startError);
    return { status: startError.transient ? 'retry' : 'rejected', reason, detail: reason };
  }
  const how = howItEnded(ended);
  const seen = { detail: ended.outputTruncated ? `${how}, output cut off` : how, output, timedOut };
  if (exitCode === 0) return { status: 'delivered', ...seen };
  return { status: exitCode === TRY_AGAIN ? 'retry' : 'rejected', reason: how, ...seen };
}

function notStarted({ syscall, code }: NonNullable<Ended['startError']>): string {
  const remedy = REMEDIES[code];
  return `not started: ${syscall} ${code}${remedy === undefined ? '' : ` (${remedy})`}`;
}

function howItEnded({ exitCode, signal, timedOut, durationMs }: Ended): string {
  if (timedOut) return `timed out after ${Math.round(durationMs)} ms`;
  return signal === null ? `exit ${exitCode}` : `killed by ${signal}`;
}

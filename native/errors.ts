import { getSystemErrorMap, getSystemErrorName } from 'node:util';

/** A system call that the native part made was refused. `errno` is the positive number, `code` its name. */
export class NativeError extends Error {
  override readonly name = 'NativeError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(message: string, errno: number, syscall: string) {
    super(message);
    this.code = errnoName(errno);
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** The native part is not there, or not for this machine. */
export class NativeUnavailableError extends Error {
  override readonly name = 'NativeUnavailableError';
  readonly code = 'NATIVE_UNAVAILABLE';
  readonly path: string;

  constructor(path: string, reason: string, cause?: unknown) {
    super(`${reason}: ${path}; install g++, make and Python 3, then run "npm rebuild"`, { cause });
    this.path = path;
  }
}

/** What the addon threw, as `NativeError` where it was a system call, else as it is. */
export function toNativeError(error: unknown): unknown {
  if (!(error instanceof Error) || !('errno' in error) || !('syscall' in error)) return error;
  if (typeof error.errno !== 'number' || typeof error.syscall !== 'string') return error;
  return new NativeError(error.message, error.errno, error.syscall);
}

/** `ENOBUFS` for 105. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `E${errno}`;
  }
}

/** The one error of the netlink reader that Node has no text for: the number of a namespace is another's by now. */
const ESTALE = 116;

/** `ENOBUFS: no buffer space available` for 105. */
export function errnoText(errno: number): string {
  if (errno === ESTALE) return 'ESTALE: stale file handle';
  return getSystemErrorMap().get(-errno)?.join(': ') ?? `error number ${errno}`;
}

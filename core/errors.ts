/**
 * The code table is the API of errors: compare `code`, never the class. The list is documented in `core/README.md` and
 * held to it by a test. `grpc` is the status number that stands for the code on the wire.
 */
export const ERROR_CODES = {
  CONFIG_INVALID: { retryable: false, grpc: 3 },
  USAGE: { retryable: false, grpc: 3 },
  FILTER_INVALID: { retryable: false, grpc: 3 },
  MESSAGE_INVALID: { retryable: false, grpc: 3 },
  NOT_FOUND: { retryable: false, grpc: 5 },
  STATE_ILLEGAL: { retryable: false, grpc: 9 },
  POLICY_REFUSED: { retryable: false, grpc: 7 },
  PLUGIN_START_FAILED: { retryable: false, grpc: 13 },
  STORE_FAILED: { retryable: true, grpc: 14 },
  PEER_UNAVAILABLE: { retryable: true, grpc: 14 },
  INTERRUPTED: { retryable: true, grpc: 10 },
  NATIVE_UNAVAILABLE: { retryable: false, grpc: 12 },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface AppErrorOptions {
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Every error that this project throws on purpose. `retryable` answers the only question a caller asks. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** One problem of a document: where it is (file, 1-based line and column when known; JSON pointer) and what was expected. */
export interface Issue {
  readonly path: string;
  readonly message: string;
  readonly expected?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** The text of that line, for a caret. */
  readonly excerpt?: string;
  /** The key at `path` is wrong, not its value. Gone once the issue has a place. */
  readonly atKey?: true;
}

/** A document that was refused, with every problem at once. */
export class ConfigError extends AppError {
  readonly issues: readonly Issue[];

  constructor(subject: string, issues: readonly Issue[]) {
    super('CONFIG_INVALID', `invalid ${subject}: ${issues.map(issueText).join('; ')}`, { details: { issues } });
    this.name = 'ConfigError';
    this.issues = issues;
  }
}

function issueText({ path, message, expected, line, column }: Issue): string {
  const place = line === undefined ? '' : `line ${line}, column ${column}: `;
  return `${place}${path === '' ? '' : `${path} `}${message}${expected === undefined ? '' : `, expected ${expected}`}`;
}

/** Adds the origin once, at a boundary: `action(webhook/alerts): …`. The original stays as `cause`. */
export function wrapAt(origin: string, code: ErrorCode, cause: unknown): AppError {
  return new AppError(code, `${origin}: ${errorText(cause)}`, { cause });
}

/** The message of whatever was thrown, for a log field or a reason. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

import { AppError, ConfigError, type ErrorCode, errorText, type Issue, type Log } from '#core';

/** How every error of the API looks. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly issues?: readonly Issue[] };
}

/** Codes that are not a defect of ours, as HTTP status. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: 400,
  USAGE: 400,
  FILTER_INVALID: 400,
  MESSAGE_INVALID: 400,
  POLICY_REFUSED: 403,
  NOT_FOUND: 404,
  STATE_ILLEGAL: 409,
  STORE_FAILED: 503,
  PEER_UNAVAILABLE: 503,
};

/** Converts and logs whatever a route threw: the caller's faults at `debug`, our own at `error`. */
export function errorAnswer(thrown: unknown, log: Log): { readonly status: number; readonly body: ErrorBody } {
  if (thrown instanceof AppError) {
    const status = STATUS[thrown.code] ?? 500;
    const { code, message } = thrown;
    log[status < 500 ? 'debug' : 'error']({ code, error: message }, 'api request failed');
    return {
      status,
      body: {
        error: { code, message, ...(thrown instanceof ConfigError ? { issues: thrown.issues.map(plain) } : {}) },
      },
    };
  }
  // Fastify's own: no JSON, too large, wrong content type.
  const status =
    thrown instanceof Error && 'statusCode' in thrown && typeof thrown.statusCode === 'number'
      ? thrown.statusCode
      : 500;
  if (status < 500) return { status, body: { error: { code: 'USAGE', message: errorText(thrown) } } };
  log.error({ error: thrown instanceof Error ? thrown.stack : String(thrown) }, 'api request failed');
  return { status, body: { error: { code: 'INTERNAL', message: 'internal error, see the log of the control plane' } } };
}

export function refusalBody(message: string): ErrorBody {
  return { error: { code: 'POLICY_REFUSED', message } };
}

/** Without what only the placing of an issue in a document needs. */
function plain(issue: Issue): Issue {
  const { atKey: _, ...rest } = issue;
  return rest;
}

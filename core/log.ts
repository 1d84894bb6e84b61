import { isSpanContextValid, trace } from '@opentelemetry/api';
import { pino } from 'pino';

/** Structured log, JSON lines on stdout. Message: constant, lower-case, no period; data in fields (core/names.ts). */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * `file`: descriptor to write to (1 unless told otherwise). Levels as in style section 10. The field `error` takes whatever
 * was thrown; lines written while a span is active carry its ids.
 */
export function createLog(level: LogLevel, file: 1 | 2 = 1): Log {
  return createLogTo(level, pino.destination({ dest: file, sync: true }));
}

/** The same to any stream, a line a call. */
export function createLogTo(level: LogLevel, stream: { write(line: string): void }): Log {
  return pino(
    {
      level,
      base: null,
      serializers: { error: (thrown: unknown) => errorField(thrown, MAX_CAUSES) },
      mixin: activeTrace,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

/** How deep causes and collected errors are followed; a chain may be a ring. */
const MAX_CAUSES = 5;

function errorField(thrown: unknown, left: number): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const { name, message, stack, cause } = thrown;
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  const more = left > 0;
  return {
    name,
    ...(code === undefined ? {} : { code }),
    message,
    stack,
    ...(more && cause !== undefined ? { cause: errorField(cause, left - 1) } : {}),
    ...(more && thrown instanceof AggregateError
      ? { errors: thrown.errors.map((error: unknown) => errorField(error, left - 1)) }
      : {}),
  };
}

function activeTrace(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : {};
}

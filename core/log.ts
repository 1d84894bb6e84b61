import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

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

/** Bytes that wait for a reader; beyond them lines are dropped. */
const WAITING_BYTES = 1 << 20;
/** For a reader to take the last lines. */
const FLUSH_MS = 1000;

/**
 * `file`: descriptor to write to (1 unless told otherwise). Levels as in style section 10. The field `error` takes whatever
 * was thrown; lines written while a span is active carry its ids. Before `process.exit`, await `flushLogs`.
 */
export function createLog(level: LogLevel, file: 1 | 2 = 1): Log {
  return createBoundedLog(level, file === 1 ? process.stdout : process.stderr);
}

/** The same to a stream whose reader is never waited for: lines that it leaves no room for are counted and told of later. */
export function createBoundedLog(level: LogLevel, stream: Writable): Log {
  let dropped = 0;
  const log = createLogTo(level, {
    write: (line) => {
      if (stream.writableLength < WAITING_BYTES) stream.write(line);
      else dropped++;
    },
  });
  stream.on('drain', () => {
    if (dropped > 0) log.warn({ dropped }, 'log lines dropped');
    dropped = 0;
  });
  // A reader that went away takes the log with it, and nothing else.
  stream.on('error', () => undefined);
  return log;
}

/** Resolves when the standard streams have taken what was logged, or a reader has left it for a second. */
export async function flushLogs(streams: readonly Writable[] = [process.stdout, process.stderr]): Promise<void> {
  const waiting = streams.filter(({ writableLength }) => writableLength > 0);
  if (waiting.length === 0) return;
  const taken = waiting.map((stream) => new Promise<unknown>((resolve) => stream.write('', resolve)));
  await Promise.race([Promise.all(taken), pause(FLUSH_MS)]);
}

/** The same to anything, a line a call. */
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

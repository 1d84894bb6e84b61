import { pino, stdSerializers } from 'pino';

/** Structured log, JSON lines on stdout. Message: constant, lower-case, no period; data in fields (core/names.ts). */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** `file`: descriptor to write to (1 unless told otherwise). Levels as in style section 10. */
export function createLog(level: LogLevel, file: 1 | 2 = 1): Log {
  return pino(
    {
      level,
      base: null,
      serializers: { error: stdSerializers.errWithCause },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: file, sync: true }),
  );
}

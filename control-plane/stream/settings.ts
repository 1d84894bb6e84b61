/** LeanVibe's variables, as far as they are the control plane's (spec leanvibe B7, row L33). The others are the sidecar's. */
import { AppError, BATCH_SIZE, BATCH_WAIT_MS } from '#core';

/** What happens to agent events beside the history; each can be switched off and on while the control plane runs. */
export const STAGES = ['aggregation', 'websocket', 'redis'] as const;
export type Stage = (typeof STAGES)[number];

export interface RedisSettings {
  readonly url: string;
  /** How long entries of the streams are kept. */
  readonly ttlSeconds: number;
}

export interface StreamSettings {
  readonly batchSize: number;
  readonly flushIntervalMs: number;
  /** A verdict that took longer is a violation. */
  readonly thresholdMs: number;
  /** What is on at the start. */
  readonly enabled: Readonly<Record<Stage, boolean>>;
  /** Null: there is no Redis. */
  readonly redis: RedisSettings | null;
}

const THRESHOLD_MS = 50;
const TTL_SECONDS = 86_400;

/** Throws USAGE for a value that is none; an empty one is as good as none. */
export function streamSettings(env: NodeJS.ProcessEnv): StreamSettings {
  const url = redisUrl(env.REDIS_URL ?? '');
  const ttlSeconds = whole(env, 'REDIS_HOOK_STREAMS_TTL', { or: TTL_SECONDS, most: 10 * 365 * 86_400, of: 'seconds' });
  return {
    batchSize: whole(env, 'HOOK_BATCH_SIZE', { or: BATCH_SIZE, most: 10_000, of: 'events' }),
    flushIntervalMs: whole(env, 'HOOK_FLUSH_INTERVAL_MS', { or: BATCH_WAIT_MS, most: 3_600_000, of: 'milliseconds' }),
    thresholdMs: threshold(env),
    enabled: {
      aggregation: isOn(env, 'HOOK_EVENT_AGGREGATION_ENABLED'),
      websocket: isOn(env, 'HOOK_WEBSOCKET_STREAMING_ENABLED'),
      redis: isOn(env, 'HOOK_REDIS_STREAMING_ENABLED'),
    },
    redis: url === null ? null : { url, ttlSeconds },
  };
}

interface Whole {
  readonly or: number;
  readonly most: number;
  readonly of: string;
}

function whole(env: NodeJS.ProcessEnv, name: string, { or, most, of }: Whole): number {
  const text = env[name] ?? '';
  if (text === '') return or;
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= most) return number;
  throw wrong(name, text, `a whole number of ${of}, 1 to ${most}`);
}

function threshold({ HOOK_PERFORMANCE_THRESHOLD_MS: text = '' }: NodeJS.ProcessEnv): number {
  if (text === '') return THRESHOLD_MS;
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0) return Number(text);
  throw wrong('HOOK_PERFORMANCE_THRESHOLD_MS', text, 'milliseconds, more than 0: 50 or 12.5');
}

function isOn(env: NodeJS.ProcessEnv, name: string): boolean {
  const text = (env[name] ?? '').toLowerCase();
  if (['', 'true', '1', 'yes', 'on'].includes(text)) return true;
  if (['false', '0', 'no', 'off'].includes(text)) return false;
  throw wrong(name, env[name] ?? '', 'true or false');
}

function redisUrl(text: string): string | null {
  if (text === '') return null;
  const url = URL.parse(text);
  if (url?.hostname && ['redis:', 'rediss:'].includes(url.protocol)) return text;
  // It may hold a password.
  const expected = 'expected like redis://host:6379 or rediss://user:password@host:6380/0';
  throw new AppError('USAGE', `REDIS_URL (its value is not shown) is no address of a Redis, ${expected}`);
}

function wrong(name: string, text: string, expected: string): AppError {
  return new AppError('USAGE', `${name} is ${JSON.stringify(text)}, expected ${expected}`);
}

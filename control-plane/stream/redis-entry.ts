/** An agent event as an entry of a Redis Stream: flat text (spec leanvibe B6, row L28). */
import { HOOK_BYPASSED } from '#core';

import { toJson } from '../http/json.ts';
import type { HookEvent } from './hook-event.ts';

export const LIFECYCLE_STREAM = 'hook_lifecycle_events';
export const SECURITY_STREAM = 'hook_security_events';
export const PERFORMANCE_STREAM = 'hook_performance_events';
export const REDIS_STREAMS = [LIFECYCLE_STREAM, SECURITY_STREAM, PERFORMANCE_STREAM] as const;
export type RedisStream = (typeof REDIS_STREAMS)[number];

export interface RedisEntry {
  readonly stream: RedisStream;
  /** `payload` and `metadata` are JSON; what is null is ''. */
  readonly fields: Readonly<Record<string, string>>;
  /** Of the fields. */
  readonly bytes: number;
}

/** Every event is one entry, in one stream: what was denied, asked or bypassed first, then what took too long. */
export function redisEntry(event: HookEvent, thresholdMs: number): RedisEntry {
  const fields = {
    event_id: event.event_id,
    hook_type: event.hook_type,
    agent_id: event.agent_id,
    session_id: event.session_id ?? '',
    timestamp: event.timestamp,
    payload: toJson(event.payload),
    correlation_id: event.correlation_id ?? '',
    priority: String(event.priority),
    metadata: toJson(event.metadata),
  };
  let bytes = 0;
  for (const text of Object.values(fields)) bytes += Buffer.byteLength(text);
  return { stream: streamOf(event, thresholdMs), fields, bytes };
}

function streamOf({ hook_type, metadata }: HookEvent, thresholdMs: number): RedisStream {
  const { type, verdict, asked, processing_time_ms: tookMs } = metadata;
  const isSecurity = verdict === 'deny' || verdict === 'ask' || asked === true || hook_type === 'Error';
  if (isSecurity || type === HOOK_BYPASSED) return SECURITY_STREAM;
  return typeof tookMs === 'number' && tookMs > thresholdMs ? PERFORMANCE_STREAM : LIFECYCLE_STREAM;
}

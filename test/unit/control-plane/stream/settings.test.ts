import { describe, expect, it } from 'vitest';

import { streamSettings } from '../../../../control-plane/stream/settings.ts';

describe('L33: the variables of the control plane', () => {
  it('have the documented defaults', () => {
    expect(streamSettings({})).toEqual({
      batchSize: 100,
      flushIntervalMs: 1000,
      thresholdMs: 50,
      enabled: { aggregation: true, websocket: true, redis: true },
      redis: null,
    });
    expect(streamSettings({ REDIS_URL: 'redis://h:6379' }).redis).toEqual({
      url: 'redis://h:6379',
      ttlSeconds: 86_400,
    });
  });

  it('are taken as they are written', () => {
    const settings = streamSettings({
      HOOK_BATCH_SIZE: '7',
      HOOK_FLUSH_INTERVAL_MS: '250',
      HOOK_PERFORMANCE_THRESHOLD_MS: '12.5',
      HOOK_EVENT_AGGREGATION_ENABLED: 'false',
      HOOK_WEBSOCKET_STREAMING_ENABLED: 'False',
      HOOK_REDIS_STREAMING_ENABLED: '0',
      REDIS_URL: 'rediss://user:password@host:6380/0',
      REDIS_HOOK_STREAMS_TTL: '60',
    });
    expect(settings).toEqual({
      batchSize: 7,
      flushIntervalMs: 250,
      thresholdMs: 12.5,
      enabled: { aggregation: false, websocket: false, redis: false },
      redis: { url: 'rediss://user:password@host:6380/0', ttlSeconds: 60 },
    });
  });

  it.each([
    ['HOOK_BATCH_SIZE', '0', 'a whole number of events, 1 to 10000'],
    ['HOOK_BATCH_SIZE', '1.5', 'a whole number of events'],
    ['HOOK_FLUSH_INTERVAL_MS', 'soon', 'a whole number of milliseconds'],
    ['HOOK_PERFORMANCE_THRESHOLD_MS', 'fast', 'milliseconds, more than 0'],
    ['HOOK_EVENT_AGGREGATION_ENABLED', 'maybe', 'true or false'],
    ['HOOK_REDIS_STREAMING_ENABLED', '2', 'true or false'],
    ['REDIS_HOOK_STREAMS_TTL', '-1', 'a whole number of seconds'],
  ])('refuse %s=%s with name, value and what was expected', (name, value, expected) => {
    expect(() => streamSettings({ [name]: value })).toThrow(`${name} is "${value}", expected ${expected}`);
  });

  it('never show what may be a password', () => {
    expect(() => streamSettings({ REDIS_URL: 'http://:hunter2@h' })).toThrow(/^REDIS_URL \(its value is not shown\)/);
  });
});

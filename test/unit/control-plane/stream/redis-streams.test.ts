import { describe, expect, it } from 'vitest';

import { HOOK_BYPASSED, systemClock } from '#core';

import { hookEvent } from '../../../../control-plane/stream/hook-event.ts';
import { type RedisEntry, redisEntry } from '../../../../control-plane/stream/redis-entry.ts';
import type { RedisEvents, RedisPort } from '../../../../control-plane/stream/redis-port.ts';
import { type RedisPace, RedisStreams } from '../../../../control-plane/stream/redis-streams.ts';
import { manualClock, silentLog } from '../../../kit/action-context.ts';
import { eventually } from '../../../kit/eventually.ts';
import { agentEvent } from './kit.ts';

const entries = (from: number, to: number, session = 's'): RedisEntry[] =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    redisEntry(hookEvent(agentEvent({ session }, {}, `agent-r-${from + index}`)), 50),
  );
const idOf = ({ fields }: RedisEntry): string => fields.event_id ?? '';
const ids = (from: number, to: number): string[] => entries(from, to).map(idOf);

/** A Redis that does as it is told. */
function fakeRedis() {
  const written: RedisEntry[] = [];
  const attempts: number[] = [];
  let events: RedisEvents | null = null;
  const redis = {
    isAway: false,
    trims: 0,
    written,
    /** When writes were tried, milliseconds. */
    attempts,
    ready: () => events?.onReady(),
    open: async (given: RedisEvents): Promise<RedisPort> => {
      events = given;
      return {
        async write(all) {
          attempts.push(performance.now());
          if (redis.isAway) throw new Error('connection refused');
          written.push(...all);
        },
        async trim() {
          redis.trims++;
        },
        async forget(session) {
          return written.filter(({ fields }) => fields.session_id === session).length;
        },
        close: () => undefined,
      };
    },
  };
  return redis;
}

async function streamsOn(redis: ReturnType<typeof fakeRedis>, pace: Partial<RedisPace> = {}, clock = systemClock) {
  const streams = new RedisStreams({ open: redis.open, ttlSeconds: 60, clock, log: silentLog, pace });
  await streams.start();
  return Object.assign(streams, { [Symbol.asyncDispose]: () => streams.stop() });
}

describe('an entry', () => {
  it('L28: is flat text that decodes to the event', () => {
    const event = hookEvent(agentEvent({ agent: 'a', input: { command: 'ls' } }, {}, 'agent-r-1'));
    const { fields, stream } = redisEntry(event, 50);
    expect(Object.values(fields).every((value) => typeof value === 'string')).toBe(true);
    expect(fields).toMatchObject({ event_id: 'agent-r-1', priority: '3', correlation_id: '', hook_type: 'PreToolUse' });
    expect(JSON.parse(fields.payload ?? '')).toEqual(event.payload);
    expect(JSON.parse(fields.metadata ?? '')).toEqual(event.metadata);
    expect(stream).toBe('hook_lifecycle_events');
  });

  it.each([
    ['hook_security_events', 'a denied call', agentEvent({}, { 'agent.verdict': 'deny', 'agent.decided_us': 90_000 })],
    ['hook_security_events', 'one that a person was asked for', agentEvent({}, { 'agent.verdict': 'ask' })],
    [
      'hook_security_events',
      'one that a person allowed',
      agentEvent({}, { 'agent.verdict': 'allow', 'agent.asked': true }),
    ],
    ['hook_security_events', 'an error', agentEvent({ name: 'Error' })],
    ['hook_security_events', 'a bypass', { ...agentEvent(), type: HOOK_BYPASSED }],
    ['hook_performance_events', 'a slow verdict', agentEvent({}, { 'agent.decided_us': 50_001 })],
    ['hook_lifecycle_events', 'a verdict at the threshold', agentEvent({}, { 'agent.decided_us': 50_000 })],
    ['hook_lifecycle_events', 'anything else', agentEvent({ name: 'Stop' }, { 'agent.verdict': 'allow' })],
  ] as const)('L28: is in %s for %s', (stream, _, event) => {
    expect(redisEntry(hookEvent(event), 50).stream).toBe(stream);
  });
});

describe('while Redis is away', () => {
  it('L30: entries wait, and are written in their order once it is back', async () => {
    const redis = fakeRedis();
    redis.isAway = true;
    await using streams = await streamsOn(redis, { firstPauseMs: 1, lastPauseMs: 5, openMs: 10 });
    streams.take(entries(1, 700));
    streams.take(entries(701, 1500));
    await eventually(() => redis.attempts.length > 2);
    expect(streams.counts).toMatchObject({ waiting: 1500, written: 0, lost: 0, problem: 'connection refused' });
    redis.isAway = false;
    await eventually(() => streams.counts.waiting === 0);
    expect(redis.written.map(idOf)).toEqual(ids(1, 1500));
    await eventually(() => streams.counts.state === 'connected');
    expect(streams.counts).toMatchObject({ written: 1500, lost: 0, problem: '' });
  });

  it('L30: the oldest are lost when there is no room, by number and by bytes, and are counted', async () => {
    const redis = fakeRedis();
    redis.isAway = true;
    await using streams = await streamsOn(redis, { entries: 100, firstPauseMs: 60_000 });
    streams.take(entries(1, 1));
    await eventually(() => redis.attempts.length === 1);
    streams.take(entries(2, 151));
    expect(streams.counts).toMatchObject({ waiting: 101, lost: 50 });

    const [one] = entries(1, 1);
    await using small = await streamsOn(redis, { bytes: 3 * (one?.bytes ?? 0), firstPauseMs: 60_000 });
    small.take(entries(1, 9));
    expect(small.counts.waiting).toBeLessThanOrEqual(3);
    expect(small.counts.lost).toBeGreaterThanOrEqual(6);
  });

  it('L31: it is tried again after growing pauses, and left alone while the breaker is open', async () => {
    const redis = fakeRedis();
    redis.isAway = true;
    await using streams = await streamsOn(redis, { firstPauseMs: 10, lastPauseMs: 40, failures: 4, openMs: 300 });
    const states = new Set<string>();
    streams.take(entries(1, 1));
    await eventually(() => states.add(streams.counts.state) && redis.attempts.length === 5);
    const pauses = redis.attempts.slice(1).map((at, index) => at - (redis.attempts[index] ?? 0));
    // Timers do not fire early but by a fraction of a millisecond.
    for (const [index, least] of [10, 20, 40, 300].entries()) expect(pauses[index]).toBeGreaterThan(least - 2);
    expect([...states]).toContain('breaker-open');
    // Half open: one attempt, and open again.
    await eventually(() => streams.counts.state === 'breaker-open');
    redis.isAway = false;
    await eventually(() => streams.counts.state === 'connected');
    expect(redis.written).toHaveLength(1);
    expect(redis.attempts).toHaveLength(6);
  });

  it('a stop waits for no pause, and counts what is lost by it', async () => {
    const redis = fakeRedis();
    redis.isAway = true;
    const streams = await streamsOn(redis, { firstPauseMs: 60_000 });
    streams.take(entries(1, 3));
    await eventually(() => redis.attempts.length === 1);
    await streams.stop();
    expect(streams.counts).toMatchObject({ lost: 3, waiting: 0 });
    await streams.stop();
  });
});

describe('the streams', () => {
  it('L29: are trimmed by age when Redis comes and every minute', async () => {
    const redis = fakeRedis();
    const clock = manualClock();
    await using streams = await streamsOn(redis, {}, clock);
    redis.ready();
    expect(redis.trims).toBe(1);
    clock.advance(60_000);
    clock.advance(60_000);
    expect(redis.trims).toBe(3);
    expect(streams.counts.state).toBe('connected');
  });

  it('are written to the end in a drain', async () => {
    const redis = fakeRedis();
    await using streams = await streamsOn(redis);
    streams.take(entries(1, 2000));
    await streams.drain(new AbortController().signal);
    expect(redis.written).toHaveLength(2000);
    redis.isAway = true;
    streams.take(entries(1, 1));
    await streams.drain(AbortSignal.abort());
    expect(streams.counts.waiting).toBe(1);
  });

  it('forget a session, what waits of it included', async () => {
    const redis = fakeRedis();
    await using streams = await streamsOn(redis, { firstPauseMs: 1 });
    streams.take(entries(1, 3, 'gone'));
    await eventually(() => redis.written.length === 3);
    expect(await streams.forget('gone')).toBe(3);
    expect(await streams.forget('other')).toBe(0);
  });
});

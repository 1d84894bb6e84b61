/** Redis Streams in a real Redis: rows L28 to L31 of spec/leanvibe.md. */
import { describe, expect, it } from 'vitest';

import { systemClock } from '#core';

import { hookEvent } from '../../../control-plane/stream/hook-event.ts';
import { type RedisEntry, redisEntry } from '../../../control-plane/stream/redis-entry.ts';
import { openRedis } from '../../../control-plane/stream/redis-port.ts';
import { type RedisPace, RedisStreams } from '../../../control-plane/stream/redis-streams.ts';
import { eventually } from '../../kit/eventually.ts';
import { noRedis, RedisServer } from '../../kit/redis.ts';
import { ask, bash, GUARD_HOOK, startNode } from '../agent/kit.ts';
import { silent } from '../../unit/control-plane/kit.ts';
import { agentEvent } from '../../unit/control-plane/stream/kit.ts';

const LIFECYCLE = 'hook_lifecycle_events';
const QUICK: Partial<RedisPace> = { firstPauseMs: 5, lastPauseMs: 50, openMs: 100 };
const LATE = { timeoutMs: 20_000 };

const entries = (from: number, to: number, session = 's'): RedisEntry[] =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    redisEntry(hookEvent(agentEvent({ session }, {}, `agent-r-${from + index}`)), 50),
  );
const ids = (from: number, to: number): string[] => entries(from, to).map(({ fields }) => fields.event_id ?? '');

async function streamsOf({ url }: RedisServer, pace: Partial<RedisPace> = QUICK, ttlSeconds = 86_400) {
  const open = (events: Parameters<typeof openRedis>[1]) => openRedis(url, events);
  const streams = new RedisStreams({ open, ttlSeconds, clock: systemClock, log: silent, pace });
  await streams.start();
  return Object.assign(streams, { [Symbol.asyncDispose]: () => streams.stop() });
}

const idsIn = async (redis: RedisServer): Promise<string[]> =>
  (await redis.entries(LIFECYCLE)).map(({ message }) => message.event_id ?? '');

describe.skipIf(noRedis !== null)('with a real Redis', () => {
  it('L28: each event is one entry, in order, with fields that decode', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis);
    streams.take(entries(1, 1200));
    await eventually(() => streams.counts.written === 1200);
    expect(await idsIn(redis)).toEqual(ids(1, 1200));
    expect(await redis.ask((client) => client.xLen(LIFECYCLE))).toBe(1200);
    const [first] = await redis.entries(LIFECYCLE);
    expect(Object.keys(first?.message ?? {})).toEqual([
      'event_id',
      'hook_type',
      'agent_id',
      'session_id',
      'timestamp',
      'payload',
      'correlation_id',
      'priority',
      'metadata',
    ]);
    expect(JSON.parse(first?.message.payload ?? '')).toMatchObject({
      tool_name: 'Bash',
      parameters: { command: 'ls' },
    });
  });

  it('L28: a stream keeps about ten thousand', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis, { ...QUICK, entries: 20_000 });
    streams.take(entries(1, 11_000));
    await eventually(() => streams.counts.written === 11_000, LATE);
    const kept = await redis.ask((client) => client.xLen(LIFECYCLE));
    expect(kept).toBeGreaterThanOrEqual(10_000);
    expect(kept).toBeLessThan(10_300);
    expect((await idsIn(redis)).at(-1)).toBe('agent-r-11000');
  });

  it('L29: what is older than the time to live goes, and a stream that nobody feeds as a whole', async () => {
    await using redis = await RedisServer.create();
    await redis.ask((client) => client.xAdd(LIFECYCLE, '1000-0', { event_id: 'old' }));
    await using streams = await streamsOf(redis, { ...QUICK, trimMs: 20 }, 60);
    streams.take(entries(1, 2));
    await eventually(async () => (await idsIn(redis)).join() === ids(1, 2).join());
    const ttl = await redis.ask((client) => client.ttl(LIFECYCLE));
    expect(ttl).toBeGreaterThan(50);
    expect(ttl).toBeLessThanOrEqual(60);
    expect(streams.counts.lost).toBe(0);
  });

  it('L30: a start without Redis is a start; what waited is written once it comes', async () => {
    await using redis = await RedisServer.create(false);
    await using streams = await streamsOf(redis);
    streams.take(entries(1, 600));
    await eventually(() => streams.counts.state !== 'connected');
    expect(streams.counts.waiting).toBe(600);
    await redis.start();
    await eventually(() => streams.counts.written === 600, LATE);
    expect(await idsIn(redis)).toEqual(ids(1, 600));
  });

  it('L30: nothing is lost when Redis goes away and comes back', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis);
    streams.take(entries(1, 100));
    await eventually(() => streams.counts.written === 100);
    await redis.stop();
    streams.take(entries(101, 300));
    await eventually(() => streams.counts.problem !== '');
    await redis.start();
    streams.take(entries(301, 400));
    await eventually(() => streams.counts.written === 400, LATE);
    // What was under way when Redis went may be there twice: nobody knows whether it was written.
    expect([...new Set(await idsIn(redis))]).toEqual(ids(1, 400));
    expect(streams.counts).toMatchObject({ lost: 0, waiting: 0 });
  });

  it('L30: a Redis that answers nothing holds up nobody', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis, { ...QUICK, entries: 100 });
    streams.take(entries(1, 1));
    await eventually(() => streams.counts.written === 1);
    redis.freeze();
    const startedAt = performance.now();
    for (let round = 0; round < 20; round++) streams.take(entries(1, 50));
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await eventually(() => streams.counts.lost > 0);
    redis.thaw();
    await eventually(() => streams.counts.waiting === 0, LATE);
    const { written, lost } = streams.counts;
    expect(written + lost).toBe(1001);
  });

  it('L31: the breaker opens while Redis refuses, and closes when it takes again', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis);
    await eventually(() => streams.counts.state === 'connected');
    // Any other type under the name of the stream makes it refuse.
    await redis.ask((client) => client.set(LIFECYCLE, 'no stream'));
    streams.take(entries(1, 1));
    await eventually(() => streams.counts.state === 'breaker-open');
    expect(streams.counts.problem).not.toBe('');
    await redis.ask((client) => client.del(LIFECYCLE));
    await eventually(() => streams.counts.state === 'connected');
    expect(await idsIn(redis)).toEqual(ids(1, 1));
  });

  it('forgets the entries of a session in every stream', async () => {
    await using redis = await RedisServer.create();
    await using streams = await streamsOf(redis);
    const denied = agentEvent({ session: 'gone' }, { 'agent.verdict': 'deny' });
    streams.take([...entries(1, 1200, 'gone'), ...entries(1201, 1300), redisEntry(hookEvent(denied), 50)]);
    await eventually(() => streams.counts.written === 1301);
    expect(await streams.forget('gone')).toBe(1201);
    expect(await idsIn(redis)).toEqual(ids(1201, 1300));
    expect(await redis.entries('hook_security_events')).toEqual([]);
  });
});

describe.skipIf(noRedis !== null)('a node with a Redis', () => {
  it('L40: shows a blocked command in the security stream and in the history, and forgets both', async () => {
    await using redis = await RedisServer.create();
    const hooks = { 'guard.yaml': GUARD_HOOK };
    await using node = await startNode({ hooks, env: { REDIS_URL: redis.url, HOOK_FLUSH_INTERVAL_MS: '20' } });
    await ask(node, bash('rm -rf /', { session_id: 'gone' }));
    await ask(node, bash('ls', { session_id: 'stays' }));
    const [blocked] = await eventually(async () => {
      const found = await redis.entries('hook_security_events');
      if (found.length === 0) throw new Error('no entry yet');
      return found;
    }, LATE);
    expect(blocked?.message).toMatchObject({ hook_type: 'PreToolUse', session_id: 'gone' });
    expect(JSON.parse(blocked?.message.metadata ?? '')).toMatchObject({ verdict: 'deny', risk: 'CRITICAL' });
    const [event] = await node.fullEvents('?session=gone');
    expect(event?.id).toBe(blocked?.message.event_id);
    expect(event?.event.attributes).toMatchObject({ 'agent.verdict': 'deny', 'agent.command': 'rm -rf /' });
    await eventually(async () => (await redis.entries(LIFECYCLE)).length === 1, LATE);
    const body = JSON.stringify({ session: 'gone', who: 'ann' });
    expect(await node.api('/v1/sessions/forget', { method: 'POST', body })).toEqual({
      session: 'gone',
      events: 1,
      approvals: 0,
      redis: 1,
    });
    expect(await redis.entries('hook_security_events')).toEqual([]);
    expect(await redis.entries(LIFECYCLE)).toHaveLength(1);
    await redis.stop();
    await expect(node.api('/v1/sessions/forget', { method: 'POST', body })).rejects.toThrow(
      'but Redis is away: forget it again',
    );
  });
});

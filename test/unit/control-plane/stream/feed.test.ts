import { describe, expect, it } from 'vitest';

import type { redisEntry } from '../../../../control-plane/stream/redis-entry.ts';
import { streamSettings } from '../../../../control-plane/stream/settings.ts';
import { feedOf } from '../kit.ts';
import { agentEvent } from './kit.ts';

function parts() {
  const told: string[] = [];
  const taken: string[] = [];
  let summaries = 0;
  const counts = { clients: 0, sent: 0, slow: 0, unsent: 0, gone: 0, refused: 0 };
  const sockets = {
    tell: (event: { event_id: string }) => void told.push(event.event_id),
    open: () => undefined,
    counts,
  };
  const redis = {
    start: async () => undefined,
    take: (entries: readonly ReturnType<typeof redisEntry>[]) =>
      void taken.push(...entries.map(({ fields }) => fields.event_id ?? '')),
    drain: async () => undefined,
    stop: async () => undefined,
    counts: { state: 'connected' as const, problem: '', waiting: 0, written: 0, lost: 0 },
  };
  const settings = streamSettings({ HOOK_BATCH_SIZE: '2' });
  const feed = feedOf({ sockets: sockets as never, redis, settings, summarise: async () => void summaries++ });
  const hear = (...ids: string[]): void => feed.hear({ events: ids.map((id) => agentEvent({}, {}, id)), outcomes: [] });
  return { feed, told, taken, hear, summaries: () => summaries };
}

describe('L34: the stages', () => {
  it('are switched while events come: each has what came while it was on', async () => {
    const { feed, told, taken, hear } = parts();
    await feed.start();
    hear('agent-1', 'agent-2');
    await feed.setStage('websocket', false);
    hear('agent-3', 'agent-4');
    await feed.setStage('redis', false);
    hear('agent-5', 'agent-6');
    await feed.setStage('websocket', true);
    await feed.setStage('redis', true);
    hear('agent-7', 'agent-8');
    await feed.stop();
    expect(told).toEqual(['agent-1', 'agent-2', 'agent-7', 'agent-8']);
    expect(taken).toEqual(['agent-1', 'agent-2', 'agent-3', 'agent-4', 'agent-7', 'agent-8']);
    expect(feed.stages.every(({ enabled }) => enabled)).toBe(true);
  });

  it('lose nothing that waits for its batch when aggregation is switched off, and go on without batches', async () => {
    const { feed, taken, hear, summaries } = parts();
    await feed.start();
    hear('agent-1');
    expect(taken).toEqual([]);
    await feed.setStage('aggregation', false);
    expect(taken).toEqual(['agent-1']);
    const before = summaries();
    hear('agent-2');
    expect(taken).toEqual(['agent-1', 'agent-2']);
    expect(summaries()).toBe(before);
    await feed.stop();
  });

  it('L19: tell at the stop what waits', async () => {
    const { feed, taken, hear } = parts();
    await feed.start();
    hear('agent-1');
    await feed.stop();
    expect(taken).toEqual(['agent-1']);
  });

  it('L32: do not stop each other: one that throws is counted', () => {
    const { feed, taken, hear } = parts();
    const broken = feedOf({
      sockets: {
        tell: () => {
          throw new Error('no');
        },
        open: () => undefined,
        counts: { clients: 0 },
      } as never,
    });
    broken.hear({ events: [agentEvent()], outcomes: [] });
    expect(broken.healthView().metrics.processing_errors).toBe(1);
    hear('agent-1', 'agent-2');
    expect(taken).toEqual(['agent-1', 'agent-2']);
    expect(feed.healthView().stages.aggregation).toEqual({ enabled: true, waiting: 0 });
  });
});

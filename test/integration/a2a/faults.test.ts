/** Agents that fail, and agents that hang. */
import { describe, expect, it } from 'vitest';

import { systemClock } from '#core';

import { a2a } from '../../../plugins/actions/a2a/index.ts';
import { parsePolicy } from '../../../sidecar/policy.ts';
import { mountAgent, startPeer } from '../../kit/a2a.ts';
import { eventually } from '../../kit/eventually.ts';
import { startThread } from '../../kit/thread.ts';
import { manual } from '../sidecar/kit.ts';
import { asking } from './kit.ts';

const POLICY = parsePolicy('version: 1\nactions: [a2a]\nwebhook: { allow: [127.0.0.0/8] }', 'policy');

describe('an agent that fails', () => {
  it('H14: is left alone after five failures, asked once after ten seconds, and asked again when that is answered', async () => {
    await using peer = await startPeer();
    const { asked } = mountAgent(peer, '/agent/', { version: '1.0', behave: (turn) => turn.say('well again') });
    let isDown = true;
    peer.fault = (_, response) => {
      if (isDown) response.status(503).end();
      return isDown;
    };
    let skippedMs = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs };
    await using action = asking({ url: `${peer.origin}/agent/` }, POLICY, clock);
    for (let attempt = 0; attempt < 5; attempt++) expect(await action.handle()).toMatchObject({ status: 'retry' });
    const requests = peer.seen.length;
    expect(await action.handle()).toMatchObject({
      status: 'retry',
      reason: expect.stringMatching(/^breaker open after 5 failures: .*503/),
    });
    expect(peer.seen).toHaveLength(requests);

    skippedMs = 10_000;
    expect(await action.handle()).toMatchObject({ status: 'retry', reason: expect.not.stringContaining('breaker') });
    const probed = peer.seen.length;
    expect(probed).toBeGreaterThan(requests);
    expect(await action.handle()).toMatchObject({ reason: expect.stringContaining('breaker open') });
    expect(peer.seen).toHaveLength(probed);

    isDown = false;
    skippedMs = 20_000;
    expect(await action.handle()).toMatchObject({ status: 'delivered' });
    expect(await action.handle()).toMatchObject({ status: 'delivered' });
    expect(asked).toHaveLength(2);
  });
});

describe('an agent that hangs', () => {
  it('H22: delays nobody else: hooks of another agent are answered at once', async () => {
    await using peer = await startPeer();
    const hangs = Promise.withResolvers<void>();
    const slow = mountAgent(peer, '/slow/', { version: '1.0', behave: () => hangs.promise });
    const fast = mountAgent(peer, '/fast/', { version: '1.0', behave: (turn) => turn.say('done') });
    const hookOf = (name: string): string =>
      JSON.stringify({
        apiVersion: 'trotline.dev/v1alpha1',
        kind: 'EventHook',
        metadata: { name },
        spec: { actions: [{ type: 'a2a', config: { url: `${peer.origin}/${name}/`, prompt: 'look' } }] },
      });
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'slow.yaml': hookOf('slow'), 'fast.yaml': hookOf('fast') },
      sources: [source],
      actions: [a2a],
      policy: POLICY,
    });
    await emit([1, 2, 3]);
    await eventually(() => slow.asked.length > 0);
    const from = performance.now();
    await emit([4, 5]);
    await eventually(() => fast.asked.length === 5);
    expect(performance.now() - from).toBeLessThan(2000);
    const outcomes = (await thread.events()).flatMap(({ hooks }) =>
      hooks.map(({ hook, outcome }) => `${hook} ${outcome}`),
    );
    expect(outcomes).not.toContain('trotline/slow delivered');
    hangs.resolve();
  });
});

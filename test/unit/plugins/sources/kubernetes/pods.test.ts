import { describe, expect, it } from 'vitest';

import type { Fact } from '../../../../../plugins/sources/kubernetes/facts/fact.ts';
import { type Left, parseLeft } from '../../../../../plugins/sources/kubernetes/memory.ts';
import { podOf as viewOf } from '../../../../../plugins/sources/kubernetes/objects.ts';
import { Pods } from '../../../../../plugins/sources/kubernetes/pods.ts';
import { manualClock } from '../../../../kit/action-context.ts';
import { ago, podOf, restarted, terminated } from './kit.ts';

const pod = podOf({ name: 'web' });
const ended = (parts = {}) =>
  podOf({ name: 'web', container: { ready: false, state: terminated(parts), restartCount: 0 } });
const waiting = (reason: string, count = 1) =>
  podOf({
    name: 'web',
    container: {
      ready: false,
      restartCount: count,
      state: { waiting: { reason, message: 'why' } },
      lastState: terminated(),
    },
  });
const going = (object: object) => ({
  ...object,
  metadata: { ...((object as typeof pod).metadata as object), deletionTimestamp: ago(1) },
});

function pods(left: Left | null = null) {
  const clock = manualClock();
  const facts: Fact[] = [];
  const watched = new Pods({
    clock,
    signal: new AbortController().signal,
    pendingAfterMs: 60_000,
    staleAfterMs: 900_000,
    left,
    onChange: () => undefined,
    tell: async (told) => void facts.push(...told),
    onError: (error) => {
      throw error;
    },
  });
  return {
    clock,
    facts,
    memory: () => watched.memory,
    types: () => facts.map(({ type }) => type),
    listed: (...objects: object[]) =>
      watched.listed(
        objects.map((each) => viewOf({ ...each })),
        true,
      ),
    relisted: (...objects: object[]) =>
      watched.listed(
        objects.map((each) => viewOf({ ...each })),
        false,
      ),
    says: async (...objects: object[]) => {
      for (const object of objects) await watched.changed(viewOf({ ...object }));
    },
    deleted: (object: object) => watched.deleted(viewOf({ ...object })),
  };
}

describe('the pods of a node', () => {
  it('H5: tell nothing of what was so before they were listed first', async () => {
    const { listed, types, says } = pods();
    await listed(restarted(pod, 7), waiting('CrashLoopBackOff', 3));
    await says(restarted(pod, 7));
    expect(types()).toEqual([]);
  });

  it('H7: an OOM kill and the restart after it are one event each, in however many lines', async () => {
    const { listed, says, types, facts } = pods();
    const end = { reason: 'OOMKilled', exitCode: 137, containerID: 'containerd://one' };
    await listed(pod);
    await says(ended(end), ended(end), restarted(pod, 1, end), restarted(pod, 1, end), ended(end));
    expect(types()).toEqual(['oom-kill', 'pod-restart']);
    expect(facts[0]?.attributes).toMatchObject({ container: 'main', exit_code: 137, reason: 'OOMKilled', fault: true });
  });

  it('K4: a count that jumps says by how many, with and without an end', async () => {
    const { listed, says, facts } = pods();
    await listed(pod);
    await says(restarted(pod, 2), podOf({ name: 'web', container: { restartCount: 5 } }));
    const restarts = facts.filter(({ type }) => type === 'pod-restart');
    expect(restarts.map(({ attributes }) => [attributes.restart_count, attributes.restarts])).toEqual([
      [2, 2],
      [5, 3],
    ]);
  });

  it('K1: an end without a container id is known by its pod, container and restart count', async () => {
    const { listed, says, types } = pods();
    const unknown = {
      containerID: '',
      reason: 'ContainerStatusUnknown',
      exitCode: 137,
      startedAt: null,
      finishedAt: null,
    };
    await listed(pod);
    await says(ended(unknown), ended(unknown));
    expect(types()).toEqual(['container-exit']);
  });

  it('K3: the end of a pod that is deleted is no fault, told once although only the deletion tells it', async () => {
    const { listed, deleted, facts } = pods();
    await listed(pod);
    await deleted(going(ended({ exitCode: 137 })));
    expect(facts.map(({ type, attributes }) => [type, attributes.fault])).toEqual([['container-exit', false]]);
  });

  it('are compared with a list that follows a gap: what is gone is over, what changed is told', async () => {
    const { listed, relisted, types } = pods();
    await listed(pod, podOf({ name: 'gone' }));
    await relisted(restarted(pod));
    expect(types()).toEqual(['container-exit', 'pod-restart']);
  });

  it('tell nothing that happened longer ago than is stale', async () => {
    const { listed, says, types } = pods();
    await listed(pod);
    await says(ended({ finishedAt: ago(1000) }));
    expect(types()).toEqual([]);
  });

  it('that have their node and are not started are pending after a while, once', async () => {
    const { listed, says, clock, facts } = pods();
    await listed();
    const creating = { ready: false, state: { waiting: { reason: 'ContainerCreating' } } };
    const bound = podOf({
      name: 'web',
      phase: 'Pending',
      container: creating,
      status: { conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: ago(0) }] },
    });
    await says(bound);
    clock.advance(59_000);
    await Promise.resolve();
    expect(facts).toEqual([]);
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
    await says(bound);
    expect(facts.map(({ type, attributes }) => [type, attributes.reason])).toEqual([
      ['pod-pending', 'ContainerCreating'],
    ]);
  });

  it('have recovered when they are ready for 30 s after a fault, and not between two ends', async () => {
    const { listed, says, clock, types } = pods();
    await listed(pod);
    await says(restarted(pod));
    clock.advance(20_000);
    await says(restarted(pod, 2, { finishedAt: new Date(clock.now() - 1000).toISOString() }));
    clock.advance(15_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(types()).not.toContain('pod-recovered');
    clock.advance(30_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(types().filter((type) => type === 'pod-recovered')).toHaveLength(1);
  });

  it.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull'])(
    'say %s as an image that cannot be pulled, once while it changes its name',
    async (reason) => {
      const { listed, says, types } = pods();
      await listed(pod);
      await says(waiting(reason, 0), waiting('ErrImagePull', 0), waiting('ImagePullBackOff', 0));
      expect(types().filter((type) => type === 'image-pull-failed')).toHaveLength(1);
    },
  );

  it('K7: a waiting reason in free text makes no event of its own', async () => {
    const { listed, says, types } = pods();
    await listed(waiting('ContainerCreating', 0));
    await says(waiting("PostStartHookError: command 'sh -c CrashLoopBackOff' exited with 8: ", 0));
    expect(types()).toEqual([]);
  });

  it('H11: of the same name and another uid are others', async () => {
    const { listed, says, deleted, facts } = pods();
    await listed(pod);
    await says(restarted(pod));
    await deleted(going(pod));
    await says(podOf({ name: 'web', uid: 'second' }), restarted(podOf({ name: 'web', uid: 'second' })));
    expect(new Set(facts.filter(({ type }) => type === 'pod-restart').map(({ about }) => about.uid)).size).toBe(2);
  });

  it('H10: tell after a restart what happened meanwhile, and nothing that was told', async () => {
    const first = pods();
    await first.listed(pod, restarted(podOf({ name: 'old' }), 3));
    await first.says(restarted(pod, 1));
    const second = pods(first.memory());
    await second.listed(
      restarted(pod, 2, { finishedAt: ago(0) }),
      restarted(podOf({ name: 'old' }), 3),
      podOf({ name: 'new' }),
    );
    expect(second.facts.map(({ type, id }) => [type, id])).toEqual([
      ['container-exit', 'end.end-2'],
      ['pod-restart', 'restart.uid-web.main.2'],
    ]);
  });

  it.each(['', '{', '[]', '{"version":2,"since":1,"pods":{}}', '{"version":1,"since":"x","pods":{}}'])(
    'begin anew where what was left is %j',
    (text) => {
      expect(parseLeft(text)).toBe(null);
    },
  );

  it('read what they left', async () => {
    const first = pods();
    await first.listed(pod);
    await first.says(restarted(pod, 1));
    const { since, pods: left } = first.memory();
    const text = JSON.stringify({ version: 1, since, pods: Object.fromEntries(left) });
    expect(parseLeft(text)).toEqual({ since, pods: left });
  });
});

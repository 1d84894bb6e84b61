/** The source against a real kube-apiserver; the tests write what kubelet, scheduler and controllers would. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { type EventDraft, type Health, parseConfig, systemClock } from '#core';

import { createKubernetes } from '../../../plugins/sources/kubernetes/index.ts';
import { memoryOf, silentLog, unasked } from '../../kit/action-context.ts';
import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';
import { SilentRelay } from '../../kit/silent-relay.ts';
import { Cluster, NODE, now } from './objects.ts';

/** `npm run test:old-events` has 50,000, which take two minutes to make. */
const OLD_EVENTS = Number(process.env.OLD_EVENTS ?? 3000);

const missing = noApiServer();
let api: ApiServer;

beforeAll(async () => {
  if (missing === null) api = await ApiServer.start();
}, 60_000);
afterAll(() => api?.stop());

/** A source in this role, started. */
async function hearing(role: 'node' | 'cluster', namespace: string, config: object = {}, server = api.url) {
  const events: EventDraft[] = [];
  const healths: Health[] = [];
  const definition = createKubernetes(async () => ({ ...api.access(), server }));
  const lease = `${namespace}/trotline-cluster`;
  const source = definition.create(parseConfig(definition.config, { role, lease, ...config }, 'test'), {
    node: NODE,
    clock: systemClock,
    log: silentLog,
    emit: async (drafts) => void events.push(...drafts),
    lost: () => undefined,
    memory: memoryOf(),
    ...unasked,
    report: (health) => void healths.push(health),
  });
  await source.start?.(AbortSignal.timeout(30_000));
  onTestFinished(async () => source.stop?.());
  const of = (...types: string[]): EventDraft[] =>
    events.filter((event) => event.namespace === namespace && types.includes(event.type.replace('kubernetes.', '')));
  return { events, healths, of, stop: async () => source.stop?.() };
}

describe.skipIf(missing !== null)('the kubernetes source and a real API server', () => {
  it('H7: an OOM kill and the first restart are told by pod status, once each although Events follow', async () => {
    const cluster = await Cluster.with(api, 'h7');
    const uid = await cluster.pod('web');
    const [node, elected] = await Promise.all([hearing('node', 'h7'), hearing('cluster', 'h7')]);
    await cluster.restarted('web', 1, { reason: 'OOMKilled', exitCode: 137 });
    await eventually(() => node.of('oom-kill', 'pod-restart').length === 2);
    const involved = {
      kind: 'Pod',
      namespace: 'h7',
      name: 'web',
      uid,
      apiVersion: 'v1',
      fieldPath: 'spec.containers{main}',
    };
    await cluster.event('web', 'BackOff', 'Back-off restarting failed container', { involvedObject: involved });
    await eventually(() => elected.of('event').length === 1);
    await cluster.event('web', 'BackOff', 'Back-off restarting failed container', { involvedObject: involved });
    await eventually(() => elected.of('event').length === 2);
    await eventually(() => elected.of('pod-restart').length === 1);
    const facts = [...node.of('oom-kill', 'pod-restart'), ...elected.of('pod-restart')].map(({ fact }) => fact);
    expect(new Set(facts).size).toBe(2);
  });

  it('H3: an Event of each row of the mapping table is told, in either API, and nothing else', async () => {
    const cluster = await Cluster.with(api, 'h3');
    const { of } = await hearing('cluster', 'h3');
    const rows = [
      ['OOMKilling', 'x', 'oom-kill'],
      ['Killing', 'out of memory', 'oom-kill'],
      ['Killed', 'stopped', 'pod-restart'],
      ['BackOff', 'Back-off', 'pod-restart'],
      ['Failed', 'container died', 'pod-restart'],
      ['FailedScheduling', 'no node', 'pod-pending'],
      ['Strange', 'still pending', 'pod-pending'],
      ['ProbeError', 'x', 'probe-failed'],
      ['Unhealthy', 'Liveness probe failed', 'probe-failed'],
    ] as const;
    for (const [index, [reason, message]] of rows.entries()) await cluster.event(`old-${index}`, reason, message);
    for (const [index, [reason, note]] of rows.entries()) {
      await api.request('POST', '/apis/events.k8s.io/v1/namespaces/h3/events', {
        metadata: { name: `new-${index}` },
        regarding: { kind: 'Pod', namespace: 'h3', name: `new-${index}`, uid: `uid-new-${index}`, apiVersion: 'v1' },
        reason,
        note,
        type: 'Warning',
        eventTime: new Date().toISOString().replace('Z', '000Z'),
        reportingController: 'kubelet',
        reportingInstance: 'kubelet-1',
        action: 'Told',
      });
    }
    await cluster.event('normal', 'Killing', 'out of memory', { type: 'Normal' });
    await cluster.event('node', 'OOMKilling', 'x', {
      involvedObject: { kind: 'Node', name: 'node-1', namespace: 'h3' },
    });
    const told = () => of('oom-kill', 'pod-restart', 'pod-pending', 'probe-failed');
    await eventually(() => told().length === 2 * rows.length);
    await eventually(() => of('event').length === 2 * rows.length + 2);
    const types = (prefix: string) =>
      rows.map((_, index) =>
        told()
          .find(({ subject }) => subject === `h3/${prefix}-${index}`)
          ?.type.replace('kubernetes.', ''),
      );
    expect(types('old')).toEqual(rows.map(([, , type]) => type));
    expect(types('new')).toEqual(rows.map(([, , type]) => type));
    expect(told()).toHaveLength(2 * rows.length);
  });

  it('H4: an old Event that was raised now is told, one that was seen last 20 minutes ago is not', async () => {
    const cluster = await Cluster.with(api, 'h4');
    const raised = await cluster.event('raised', 'BackOff', 'x', {
      firstTimestamp: now(3600),
      lastTimestamp: now(3600),
    });
    const { of } = await hearing('cluster', 'h4');
    await cluster.event('stale', 'BackOff', 'x', { firstTimestamp: now(3600), lastTimestamp: now(1200), count: 9 });
    await cluster.raise(raised, 7);
    await eventually(() => of('pod-restart').length === 1);
    expect(of('pod-restart').map(({ subject }) => subject)).toEqual(['h4/raised']);
  });

  it('H5: of thousands of Events that were there before the start none is told', async () => {
    const cluster = await Cluster.with(api, 'h5');
    let left = OLD_EVENTS;
    const writing = Array.from({ length: 32 }, async () => {
      while (left-- > 0)
        await cluster.event('old', 'BackOff', 'Back-off restarting failed container', {
          metadata: { name: `old-${left}` },
        });
    });
    await Promise.all(writing);
    const { of } = await hearing('cluster', 'h5');
    await cluster.event('new', 'BackOff', 'Back-off restarting failed container');
    await eventually(() => of('event').length > 0, { timeoutMs: 30_000 });
    expect(of('event').map(({ attributes }) => attributes['involved.name'])).toEqual(['new']);
  }, 300_000);

  it('H6: each time that an Event is raised is seen once', async () => {
    const cluster = await Cluster.with(api, 'h6');
    const { of } = await hearing('cluster', 'h6');
    const event = await cluster.event('web', 'BackOff', 'x');
    for (const count of [2, 3, 4]) await cluster.raise(event, count);
    await eventually(() => of('event').length === 4);
    expect(of('event').map(({ attributes }) => attributes['event.count'])).toEqual([1, 2, 3, 4]);
    await eventually(() => of('pod-restart').length === 4);
  });

  it('H11: the same name with a new uid is a new incident', async () => {
    const cluster = await Cluster.with(api, 'h11');
    await cluster.pod('state-0');
    const { of } = await hearing('node', 'h11');
    await cluster.restarted('state-0', 1);
    await eventually(() => of('pod-restart').length === 1);
    await api.request('DELETE', '/api/v1/namespaces/h11/pods/state-0?gracePeriodSeconds=0');
    await cluster.pod('state-0');
    await cluster.restarted('state-0', 1, { containerID: 'containerd://another' });
    await eventually(() => of('pod-restart').length === 2);
    expect(new Set(of('pod-restart').map(({ attributes }) => attributes.uid)).size).toBe(2);
  });

  it('tells a pod that no node fits, and that it recovered where it runs at last', async () => {
    const cluster = await Cluster.with(api, 'unbound');
    const elected = await hearing('cluster', 'unbound');
    await cluster.pod('web', { nodeName: '' });
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/1 nodes are available',
      lastTransitionTime: now(),
    };
    await cluster.status('web', { conditions: [condition] });
    await eventually(() => elected.of('pod-pending').length === 1);
    await cluster.status('web', { conditions: [{ ...condition, message: '0/2 nodes are available' }] });
    await cluster.event('web', 'FailedScheduling', 'x');
    await eventually(() => elected.of('event').length === 1);
    expect(elected.of('pod-pending')[0]?.attributes).toMatchObject({ reason: 'Unschedulable', fault: true });
  });

  it('tells what follows from a change by an agent with its depth, and nothing of the kind of what people change', async () => {
    const cluster = await Cluster.with(api, 'marks');
    const deployment = await cluster.deployment('web');
    const replicaSet = await cluster.replicaSet('web-1', deployment);
    const { of } = await hearing('node', 'marks');
    await cluster.pod('web-1-a', { owner: replicaSet });
    await cluster.restarted('web-1-a', 1, { reason: 'Error', exitCode: 1 });
    await eventually(() => of('pod-restart').length === 1);
    expect(of('pod-restart')[0]?.attributes).not.toHaveProperty('depth');

    const fixed = await cluster.deployment('fixed', 'kagent-tools');
    await cluster.pod('fixed-1-a', { owner: await cluster.replicaSet('fixed-1', fixed) });
    await cluster.restarted('fixed-1-a', 1, { reason: 'Error', exitCode: 1 });
    await cluster.pod('deep', { annotations: { 'trotline.dev/depth': '2' } });
    await cluster.restarted('deep', 1, { reason: 'Error', exitCode: 1 });
    await cluster.pod('khook', { annotations: { kagentFix: '2026-01-01' } });
    await cluster.restarted('khook', 1, { reason: 'Error', exitCode: 1 });
    await eventually(() => of('pod-restart').length === 4);
    const told = of('pod-restart').map(({ subject, attributes }) => {
      return `${subject}: ${String(attributes.depth)} by ${String(attributes.changed_by)}`;
    });
    expect(told.slice(1).toSorted()).toEqual([
      'marks/deep: 2 by annotation trotline.dev/depth',
      'marks/fixed-1-a: 1 by field manager kagent-tools',
      'marks/khook: 1 by annotation kagentFix',
    ]);
  });

  it('H8: misses and repeats nothing when the API server is killed and started again', async () => {
    const cluster = await Cluster.with(api, 'h8');
    await cluster.pod('web');
    const node = await hearing('node', 'h8');
    const elected = await hearing('cluster', 'h8');
    await cluster.restarted('web', 1);
    await eventually(() => node.of('pod-restart').length === 1);
    await api.killServer();
    await eventually(() => node.healths.at(-1)?.status === 'degraded', { timeoutMs: 30_000 });
    await api.startServer();
    await cluster.restarted('web', 2);
    await cluster.event('other', 'BackOff', 'x');
    await eventually(() => node.of('pod-restart').length === 2, { timeoutMs: 30_000 });
    await eventually(() => elected.of('pod-restart').length >= 1, { timeoutMs: 30_000 });
    await eventually(() => node.healths.at(-1)?.status === 'ok');
    expect(node.of('pod-restart', 'container-exit').map(({ fact }) => fact)).toHaveLength(4);
    expect(node.of('watch-gap')).toEqual([]);
  }, 120_000);

  it('H8: misses and repeats nothing when its connections are dropped without a word, and is deaf for 30 s at most', async () => {
    const cluster = await Cluster.with(api, 'dropped');
    await cluster.pod('web');
    const relay = await SilentRelay.to(Number(new URL(api.url).port));
    onTestFinished(() => relay.stop());
    const { of } = await hearing('node', 'dropped', {}, `https://127.0.0.1:${relay.port}`);
    await cluster.restarted('web', 1);
    await eventually(() => of('pod-restart').length === 1);
    expect(relay.drop()).toBeGreaterThan(0);
    await cluster.restarted('web', 2);
    await eventually(() => of('pod-restart').length === 2, { timeoutMs: 30_000 });
    await cluster.restarted('web', 3);
    await eventually(() => of('pod-restart').length === 3);
    expect(new Set(of('pod-restart', 'container-exit').map(({ fact }) => fact)).size).toBe(6);
    expect(of('pod-restart', 'container-exit')).toHaveLength(6);
    expect(of('watch-gap')).toEqual([]);
  }, 60_000);

  it('H20: of two that may be elected one tells, and the other takes over where it stopped', async () => {
    const cluster = await Cluster.with(api, 'h20');
    const first = await hearing('cluster', 'h20');
    const second = await hearing('cluster', 'h20');
    await cluster.event('before', 'BackOff', 'x');
    await eventually(() => first.of('event').length === 1);
    expect(second.of('event')).toEqual([]);
    expect(second.healths.at(-1)).toMatchObject({ status: 'ok', hears: expect.stringContaining('is elected') });
    await first.stop();
    await cluster.event('between', 'BackOff', 'x');
    await eventually(() => second.of('event').length >= 1, { timeoutMs: 20_000 });
    expect(second.of('event').map(({ subject }) => subject)).toContain('h20/between');
  }, 60_000);
});

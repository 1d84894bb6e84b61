/** The whole way: pods of a real API server fail, and a kagent-shaped agent is asked once for each incident. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { json } from 'express';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { parseConfig, systemClock } from '#core';
import { createControlPlane, dataFiles } from '#control-plane';
import { actions, sources } from '#plugins';
import { createSidecar, parseSidecarOptions, policyForUp, sidecarId } from '#sidecar';

import { ControlPlaneConfig } from '../../../control-plane/config.ts';
import { type Asked, mountAgent, startPeer } from '../../kit/a2a.ts';
import { silentLog } from '../../kit/action-context.ts';
import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';
import { Cluster, now } from './objects.ts';

const missing = noApiServer();
let api: ApiServer;

beforeAll(async () => {
  if (missing === null) api = await ApiServer.start();
}, 60_000);
afterAll(() => api?.stop());

const HOOK = {
  apiVersion: 'kagent.dev/v1alpha2',
  kind: 'Hook',
  metadata: { name: 'doctor', namespace: 'shop' },
  spec: {
    eventConfigurations: ['pod-restart', 'oom-kill', 'pod-pending', 'probe-failed'].map((eventType) => ({
      eventType,
      agentRef: { name: 'doctor' },
      prompt: `${eventType}: {{.ResourceName}}`,
    })),
  },
};

/** The controller with one agent, which answers at once. */
async function kagent() {
  const peer = await startPeer();
  peer.app.post(
    '/api/sessions',
    json(),
    (_, response) => void response.json({ error: false, data: { id: 'session' } }),
  );
  const { asked } = mountAgent(peer, '/api/a2a/shop/doctor/', { version: '1.0', behave: (turn) => turn.say('mended') });
  onTestFinished(() => peer[Symbol.asyncDispose]());
  return { url: peer.origin, asked, peer };
}

/** One control plane, two nodes, and two that may hear Events. */
async function clusterOf(kagentUrl: string) {
  const folder = await mkdtemp(join(tmpdir(), 'story-'));
  await mkdir(join(folder, 'hooks'));
  await writeFile(join(folder, 'hooks', 'doctor.yaml'), JSON.stringify(HOOK));
  const config = parseConfig(
    ControlPlaneConfig,
    { data: join(folder, 'data'), hooks: join(folder, 'hooks'), api: '127.0.0.1:0' },
    'test',
  );
  const plane = createControlPlane({ config, log: silentLog, env: { KAGENT_API_URL: kagentUrl } });
  await plane.supervisor.start();
  const sidecars = [];
  for (const [name, node, role] of [
    ['node-1', 'node-1', 'node'],
    ['node-2', 'node-2', 'node'],
    ['elected-1', 'node-1', 'cluster'],
    ['elected-2', 'node-2', 'cluster'],
  ] as const) {
    const data = join(folder, name);
    await mkdir(data);
    const sidecar = createSidecar({
      options: parseSidecarOptions({ controlPlane: `unix:${dataFiles(join(folder, 'data')).socket}`, data, node }),
      sidecarId: await sidecarId(data),
      version: '0.0.0',
      policy: policyForUp({ hooksDirectory: join(folder, 'hooks'), user: 'root' }),
      sources,
      sourceConfigs: new Map<string, unknown>([
        ['netlink', false],
        ['kubernetes', { role, kubeconfig: api.kubeconfig(), lease: 'shop/trotline' }],
      ]),
      actions,
      clock: systemClock,
      log: silentLog,
    });
    await sidecar.start();
    sidecars.push(sidecar);
    await eventually(() => sidecar.hooks.runtimes.length >= 4);
  }
  const stops = sidecars.map((sidecar) => () => sidecar.stop(AbortSignal.timeout(2000)));
  onTestFinished(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await plane.supervisor.stop();
    await rm(folder, { recursive: true });
  });
  return { plane, stops };
}

const promptOf = ({ data }: Asked): string => (data[0] as { prompt: string }).prompt;

describe.skipIf(missing !== null)('an incident of the cluster', () => {
  it('is answered once by its agent, whatever kind it is, and after the API server and the elected one were killed', async () => {
    const shop = await Cluster.with(api, 'shop');
    const bank = await Cluster.with(api, 'bank');
    const agent = await kagent();
    const { stops } = await clusterOf(agent.url);
    const prompts = () => agent.asked.map(promptOf).sort();

    const uid = await shop.pod('web');
    await shop.pod('db', { nodeName: 'node-2' });
    await bank.pod('vault');
    await shop.restarted('web', 1, { reason: 'OOMKilled', exitCode: 137 });
    await shop.restarted('db', 1);
    await bank.restarted('vault', 1);
    const involved = {
      kind: 'Pod',
      namespace: 'shop',
      name: 'web',
      uid,
      apiVersion: 'v1',
      fieldPath: 'spec.containers{main}',
    };
    const probe = await shop.event('web', 'Unhealthy', 'Liveness probe failed: 500', { involvedObject: involved });
    await shop.event('web', 'BackOff', 'Back-off restarting failed container', { involvedObject: involved });
    await shop.pod('big', { nodeName: '' });
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: 'no node',
      lastTransitionTime: now(),
    };
    await shop.status('big', { conditions: [condition] });
    const first = ['oom-kill: web', 'pod-pending: big', 'pod-restart: db', 'pod-restart: web', 'probe-failed: web'];
    await eventually(() => expect(prompts()).toEqual(first), { timeoutMs: 20_000 });

    await api.restart();
    await stops[2]?.();
    await shop.restarted('web', 2, { reason: 'OOMKilled', exitCode: 137, containerID: 'containerd://again' });
    await shop.raise(probe, 2);
    const cache = await shop.pod('cache', { nodeName: 'node-2' });
    await shop.restarted('cache', 1);
    await shop.event('cache', 'Unhealthy', 'Readiness probe failed', {
      involvedObject: { ...involved, name: 'cache', uid: cache },
    });
    const second = [...first, 'pod-restart: cache', 'probe-failed: cache'].sort();
    await eventually(() => expect(prompts()).toEqual(second), { timeoutMs: 60_000 });
    // What is suppressed is told as deduplicated and asks nobody.
    expect(agent.asked.every(({ contextId }) => contextId === 'session')).toBe(true);
  }, 150_000);
});

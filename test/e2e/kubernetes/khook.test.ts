/** khook's Hook resources in a real API server, and kagent called for what happens to pods there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { json } from 'express';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';

import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { mountAgent, startPeer } from '../../kit/a2a.ts';
import { eventually } from '../../kit/eventually.ts';
import { controlPlaneOf, EventHooks, install, sidecarOf } from './hooks-kit.ts';
import { Cluster } from './objects.ts';

const missing = noApiServer();
const MANIFESTS = join(import.meta.dirname, '../../fixtures/khook');
let api: ApiServer;
let refused: string | null = null;

beforeAll(async () => {
  if (missing !== null) return;
  api = await ApiServer.start();
  refused = await api.customResourcesRefused();
  if (refused !== null) {
    process.stderr.write(`skipped: ${refused}\n`);
    return;
  }
  await install(api, 'hooks.kagent.dev');
  for (const name of ['shop', 'agents']) await api.request('POST', '/api/v1/namespaces', { metadata: { name } });
}, 90_000);
afterAll(() => api?.stop());
beforeEach(({ skip }) => skip(refused !== null, refused ?? ''));

const entry = (parts: object = {}) => ({
  eventType: 'oom-kill',
  agentRef: { name: 'doctor' },
  prompt: 'look',
  ...parts,
});
const hookOf = (name: string, eventConfigurations: readonly object[]) => ({
  apiVersion: 'kagent.dev/v1alpha2',
  kind: 'Hook',
  metadata: { name, namespace: 'shop' },
  spec: { eventConfigurations },
});

describe.skipIf(missing !== null)("khook's Hook", () => {
  it('H1: manifests of every documented shape apply unchanged and take effect', async () => {
    const plane = await controlPlaneOf(api, {
      grants: join(import.meta.dirname, '../../../deploy/examples/grants.yaml'),
    });
    const hooks = new EventHooks(api, 'shop', 'hooks');
    const files = readdirSync(MANIFESTS);
    expect(files).toHaveLength(7);
    for (const file of files)
      await hooks.create(parse(readFileSync(join(MANIFESTS, file), 'utf8')) as Record<string, unknown>);
    for (const file of files)
      expect(await hooks.ready(file.replace('.yaml', ''), 'True')).toMatchObject({ reason: 'HookConfigured' });
    expect(plane.hooks.current.hooks).toHaveLength(19);
    expect(plane.hooks.hook('shop/many.pod-restart.2').spec.actions[0]?.config).toMatchObject({
      kagent: { agent: 'shop/second' },
    });
    for (const file of files) await hooks.delete(file.replace('.yaml', ''));
  });

  it('H2: is refused at the door where the API server can see it', async () => {
    const hooks = new EventHooks(api, 'shop', 'hooks');
    for (const [name, entries] of [
      ['empty-prompt', [entry({ prompt: '' })]],
      ['no-entry', []],
      ['unknown-type', [entry({ eventType: 'pod-lost' })]],
    ] as const)
      await expect(hooks.create(hookOf(name, entries)), name).rejects.toThrow('422');
  });

  it.each([
    ['no agent', [entry({ agentRef: undefined })], '/spec/eventConfigurations/0/agentRef: is required'],
    ['two agents', [entry({ agentId: 'other' })], '/spec/eventConfigurations/0/agentId: disagrees with agentRef'],
    ['an unknown key', [entry({ promt: 'x' })], '/spec/eventConfigurations/0/promt'],
  ])('H2: with %s says which field is wrong', async (_, entries, why) => {
    await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop', 'hooks');
    await hooks.create(hookOf('wrong', entries));
    const { reason, message } = await hooks.ready('wrong', 'False');
    expect(reason).toBe('InvalidConfiguration');
    expect(message).toContain(why);
    await hooks.delete('wrong');
  });

  it('H25: that calls an agent elsewhere needs a grant, and names it', async () => {
    await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop', 'hooks');
    await hooks.create(hookOf('far', [entry({ agentRef: { name: 'doctor', namespace: 'agents' } })]));
    expect((await hooks.ready('far', 'False')).message).toContain('a grant "agents" for namespace shop');
    await hooks.delete('far');
  });

  it('H17, H18: shows what it answers in its status, and tells it in Events about the Hook', async () => {
    const peer = await startPeer();
    peer.app.post('/api/sessions', json(), (_, response) => void response.json({ error: false, data: { id: 's' } }));
    const { asked } = mountAgent(peer, '/api/a2a/shop/doctor/', {
      version: '0.3',
      behave: (turn) => turn.say('mended'),
    });
    onTestFinished(() => peer[Symbol.asyncDispose]());
    const plane = await controlPlaneOf(api, {}, { KAGENT_API_URL: peer.origin });
    const hooks = new EventHooks(api, 'shop', 'hooks');
    await hooks.create(hookOf('answers', [entry()]));
    await hooks.ready('answers', 'True');
    const sources = new Map([['kubernetes', { kubeconfig: api.kubeconfig() }]]);
    const sidecar = await sidecarOf(plane.socket, plane.folder, 'node-1', sources);
    await eventually(() => sidecar.hooks.runtimes.length > 0);
    const shop = new Cluster(api, 'shop');
    await shop.pod('web');
    await shop.restarted('web', 1, { reason: 'OOMKilled', exitCode: 137 });
    await eventually(() => asked.length === 1);
    await shop.restarted('web', 2, { reason: 'OOMKilled', exitCode: 137, containerID: 'containerd://second' });
    await eventually(async () => {
      const { activeEvents = [] } = (await hooks.status('answers')) as { activeEvents?: object[] };
      expect(activeEvents).toMatchObject([{ eventType: 'oom-kill', resourceName: 'web', status: 'firing' }]);
    });
    await eventually(async () => {
      const selector = 'fieldSelector=involvedObject.kind%3DHook,involvedObject.name%3Danswers';
      const { items } = (await api.request('GET', `/api/v1/namespaces/shop/events?${selector}`)) as {
        items: { reason: string }[];
      };
      expect(items.map(({ reason }) => reason).sort()).toEqual([
        'AgentCallSuccess',
        'DuplicateEventIgnored',
        'EventFiring',
      ]);
    });
    expect(asked).toHaveLength(1);
  });

  it('says that khook runs beside us, by what it writes into the status', async () => {
    await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop', 'hooks');
    await hooks.create(hookOf('twice', [entry()]));
    await hooks.ready('twice', 'True');
    const path = '/apis/kagent.dev/v1alpha2/namespaces/shop/hooks/twice';
    const told = async () => (await hooks.status('twice')).conditions?.find(({ type }) => type === 'AnsweredElsewhere');
    expect(await told()).toBe(undefined);
    await eventually(
      async () => {
        // As khook does: the whole status, in which it knows no conditions.
        const { status: _, ...hook } = await api.request('GET', path);
        const status = { activeEvents: [], lastUpdated: new Date().toISOString().replace(/\.\d+/, '') };
        if ((await told()) === undefined)
          await api.request('PUT', `${path}/status?fieldManager=khook`, { ...hook, status });
        expect(await told()).toMatchObject({ status: 'True', message: expect.stringContaining('"khook"') });
      },
      { timeoutMs: 20_000, intervalMs: 700 },
    );
    await hooks.ready('twice', 'True');
    await hooks.delete('twice');
  });

  it.each([
    ['is down', null, /ECONNREFUSED|refused/],
    ['knows another token', 401, /401/],
    ['permits nothing', 403, /403/],
  ])('H24: says in its conditions, which kubectl describe shows, that an agent %s', async (what, status, message) => {
    const peer = await startPeer();
    if (status === null) await peer[Symbol.asyncDispose]();
    else {
      peer.fault = (_, response) => {
        response.status(status).json({ error: 'no' });
        return true;
      };
      onTestFinished(() => peer[Symbol.asyncDispose]());
    }
    const name = what.replaceAll(' ', '-');
    const plane = await controlPlaneOf(api, {}, { KAGENT_API_URL: peer.origin });
    const hooks = new EventHooks(api, 'shop', 'hooks');
    await hooks.create(hookOf(name, [entry()]));
    await hooks.ready(name, 'True');
    onTestFinished(async () => void (await hooks.delete(name)));
    const sidecar = await sidecarOf(
      plane.socket,
      plane.folder,
      'node-1',
      new Map([['kubernetes', { kubeconfig: api.kubeconfig() }]]),
    );
    await eventually(() => sidecar.hooks.runtimes.length > 0);
    const shop = new Cluster(api, 'shop');
    await shop.pod(name);
    await shop.restarted(name, 1, { reason: 'OOMKilled', exitCode: 137 });
    await eventually(
      async () => {
        const { conditions = [] } = await hooks.status(name);
        const condition = conditions.find(({ type }) => type === 'AgentsAnswer');
        expect(condition).toMatchObject({
          status: 'False',
          reason: 'AgentCallFailure',
          message: expect.stringMatching(message),
        });
      },
      { timeoutMs: 15_000, intervalMs: 100 },
    );
  });
});

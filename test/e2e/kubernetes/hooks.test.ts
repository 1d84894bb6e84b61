/** Hooks from a real API server: read, confined, told how they stand. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { hookId } from '#core';

import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';
import { controlPlaneOf, eventHook, EventHooks, install, sidecarOf, webhook } from './hooks-kit.ts';

const missing = noApiServer();
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
  await install(api, 'eventhooks.trotline.dev');
  await install(api, 'hooks.kagent.dev');
  for (const name of ['trotline', 'shop']) await api.request('POST', '/api/v1/namespaces', { metadata: { name } });
}, 90_000);
afterAll(() => api?.stop());

beforeEach(({ skip }) => skip(refused !== null, refused ?? ''));

describe.skipIf(missing !== null)('an EventHook of the API server', () => {
  it('H21: is live on the nodes within a second of each change, and says so', async () => {
    const plane = await controlPlaneOf(api);
    const sidecar = await sidecarOf(plane.socket, plane.folder, 'node-1');
    const hooks = new EventHooks(api, 'trotline');
    await eventually(() => plane.sidecars.list().some(({ connected }) => connected));
    const types = (name: string) =>
      sidecar.hooks.runtimes.find(({ hook }) => hook.name === name)?.hook.spec.eventTypes.join();

    const begun = performance.now();
    await hooks.create(eventHook('live'));
    await eventually(() => types('live') === 'kubernetes.oom-kill');
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(await hooks.ready('live', 'True')).toMatchObject({ reason: 'HookConfigured', observedGeneration: 1 });
    await eventually(async () => expect((await hooks.status('live')).nodes).toMatchObject({ applied: 1, failed: 0 }));

    const changed = performance.now();
    await hooks.patch('live', { spec: { eventTypes: ['pod-restart'] } });
    await eventually(() => types('live') === 'kubernetes.pod-restart');
    expect(performance.now() - changed).toBeLessThan(1000);
    await eventually(async () => expect((await hooks.status('live')).observedGeneration).toBe(2));

    const deleted = performance.now();
    await hooks.delete('live');
    await eventually(() => types('live') === undefined);
    expect(performance.now() - deleted).toBeLessThan(1000);
  });

  it('with wrong fields says each of them in its status, and keeps its last good version', async () => {
    const plane = await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'trotline');
    await hooks.create(eventHook('good'));
    await hooks.ready('good', 'True');
    await hooks.patch('good', { spec: { condition: 'interfce == "x"', limt: { count: 1 } } });
    const { reason, message } = await hooks.ready('good', 'False');
    expect(reason).toBe('InvalidConfiguration');
    expect(message).toContain('/spec/condition: unknown field interfce (did you mean interface?)');
    expect(message).toContain('/spec/limt');
    expect(plane.hooks.current.hooks.map(hookId)).toContain('trotline/good');
    expect(plane.hooks.current.kept.has('trotline/good')).toBe(true);
    await hooks.patch('good', { spec: { condition: null, limt: null } });
    await hooks.ready('good', 'True');
    await hooks.delete('good');
  });

  it('has Secrets of its namespace, and says when there is none', async () => {
    const plane = await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop');
    const secret = { secretRef: { name: 'alerts', key: 'token' } };
    await hooks.create(eventHook('secret', { actions: [webhook({ secret })] }, 'shop'));
    const { reason, message } = await hooks.ready('secret', 'False');
    expect(reason).toBe('SecretUnavailable');
    expect(message).toContain('Secret shop/alerts');
    const path = '/api/v1/namespaces/shop/secrets';
    await api.request('POST', path, { metadata: { name: 'alerts' }, stringData: { token: 'first-of-its-kind\n' } });
    await hooks.ready('secret', 'True');
    const sent = () => plane.hooks.current.set.hooks.find(({ name }) => name === 'secret')?.specJson;
    expect(sent()).toContain('"secret":"first-of-its-kind"');
    await api.patch(`${path}/alerts`, { stringData: { token: 'second-of-its-kind' } });
    await eventually(() => sent()?.includes('"secret":"second-of-its-kind"') === true, { timeoutMs: 15_000 });
    expect(JSON.stringify(plane.hooks.hook('shop/secret'))).not.toContain('of-its-kind');
    await hooks.delete('secret');
  }, 60_000);

  it('of another namespace hears that namespace alone', async () => {
    const plane = await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop');
    await hooks.create(eventHook('own', { condition: 'container == "main" OR reason == "x"' }, 'shop'));
    await hooks.ready('own', 'True');
    const hook = plane.hooks.hook('shop/own');
    expect(hook.spec.condition).toBe('(container == "main" OR reason == "x") AND namespace == "shop"');
    await hooks.delete('own');
  });

  it.each([
    [
      'a script',
      { actions: [{ type: 'script', config: { command: ['/bin/true'] } }] },
      '/spec/actions/0/type: "script" needs a grant',
    ],
    ['another source', { source: 'netlink', eventTypes: [] }, '/spec/source: "netlink" needs a grant'],
    ['every source', { source: undefined, eventTypes: [] }, '/spec/source: is required'],
    ['a bracket of its own', { condition: 'a == "b") OR (reason == "x"' }, '/spec/condition'],
    [
      "the control plane's environment",
      { actions: [webhook({ secret: { env: 'HOME' } })] },
      '{ env } is for hooks of the control plane',
    ],
    [
      "the control plane's files",
      { actions: [webhook({ headers: { 'x-a': { file: '/etc/shadow' } } })] },
      '{ file } is for hooks of the control plane',
    ],
  ])('of another namespace may not use %s', async (_, spec, why) => {
    const plane = await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'shop');
    await hooks.create(eventHook('greedy', spec, 'shop'));
    const { message } = await hooks.ready('greedy', 'False');
    expect(message).toContain(why);
    expect(plane.hooks.current.hooks.map(hookId)).not.toContain('shop/greedy');
    await hooks.delete('greedy');
  });

  it('goes on when the API server is away, and hears what changed meanwhile', async () => {
    const plane = await controlPlaneOf(api);
    const hooks = new EventHooks(api, 'trotline');
    await hooks.create(eventHook('steady'));
    await hooks.ready('steady', 'True');
    await api.killServer();
    await eventually(() => plane.hooks.current.problem !== null, { timeoutMs: 30_000 });
    expect(plane.hooks.current.hooks.map(hookId)).toContain('trotline/steady');
    await api.startServer();
    await hooks.create(eventHook('later'));
    await hooks.ready('later', 'True');
    await eventually(() => plane.hooks.current.problem === null, { timeoutMs: 60_000 });
    await hooks.delete('steady');
    await hooks.delete('later');
  }, 120_000);

  it('is heard from the moment on at which its kind is installed', async () => {
    await api.request('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/eventhooks.trotline.dev');
    const plane = await controlPlaneOf(api);
    expect(plane.hooks.current.problem).toContain('its CustomResourceDefinition is not installed');
    await eventually(async () => (await api.ask('GET', '/apis/trotline.dev/v1alpha1/eventhooks')).status === 404, {
      timeoutMs: 20_000,
    });
    await install(api, 'eventhooks.trotline.dev');
    const hooks = new EventHooks(api, 'trotline');
    await hooks.create(eventHook('first'));
    await hooks.ready('first', 'True');
    expect(plane.hooks.current.problem).toBe(null);
  }, 60_000);
});

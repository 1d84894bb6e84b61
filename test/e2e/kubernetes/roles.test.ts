/** The roles that the chart ships, on a real API server: nothing is denied, and nothing is granted that nobody asks for. */
import { resolve } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { isObject, parseConfig, systemClock } from '#core';

import { createKubernetes } from '../../../plugins/sources/kubernetes/index.ts';
import { tokenReviewVerifier } from '../../../control-plane/identity/token-review.ts';
import { createKubernetesApi } from '../../../control-plane/kubernetes/api.ts';
import { memoryOf, silentLog, unasked } from '../../kit/action-context.ts';
import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { type Json, renderChart } from '../../kit/chart.ts';
import { eventually } from '../../kit/eventually.ts';
import { runWith } from '../../unit/control-plane/cli-kit.ts';
import { controlPlaneOf, eventHook, EventHooks, install, sidecarOf, webhook } from './hooks-kit.ts';
import { Cluster, NODE } from './objects.ts';

const CHART = resolve(import.meta.dirname, '../../../deploy/charts/trotline');
const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const PLURALS: Readonly<Record<string, string>> = {
  ClusterRole: `${RBAC}/clusterroles`,
  ClusterRoleBinding: `${RBAC}/clusterrolebindings`,
  Role: `${RBAC}/namespaces/trotline/roles`,
  RoleBinding: `${RBAC}/namespaces/trotline/rolebindings`,
  ServiceAccount: '/api/v1/namespaces/trotline/serviceaccounts',
};
const OWNERS = ['ReplicaSet', 'Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'];

const KHOOK = {
  apiVersion: 'kagent.dev/v1alpha2',
  kind: 'Hook',
  metadata: { name: 'doctor' },
  spec: { eventConfigurations: [{ eventType: 'pod-restart', agentRef: { name: 'doctor' }, prompt: 'x' }] },
};

const missing = noApiServer();
let api: ApiServer;
let own: Cluster;
let shop: Cluster;
const documents = missing === null ? renderChart(CHART) : [];

beforeAll(async () => {
  if (missing !== null) return;
  api = await ApiServer.start({ audit: true, flags: ['--api-audiences=https://kubernetes.default.svc,trotline'] });
  own = await Cluster.with(api, 'trotline');
  shop = await Cluster.with(api, 'shop');
  for (const document of documents) {
    const path = PLURALS[String(document.kind)];
    if (path !== undefined) await api.request('POST', path, document);
  }
}, 60_000);
afterAll(() => api?.stop());

/** A source as this service account, as the chart configures it. */
async function hearing(account: string, config: Json) {
  const token = await own.token(account, null, ['https://kubernetes.default.svc']);
  const types = new Set<string>();
  const definition = createKubernetes(async () => api.access(token));
  const source = definition.create(parseConfig(definition.config, config, 'test'), {
    node: NODE,
    clock: systemClock,
    log: silentLog,
    emit: async (drafts) => drafts.forEach(({ subject }) => types.add(subject)),
    lost: () => undefined,
    memory: memoryOf(),
    ...unasked,
    report: () => undefined,
  });
  await source.start?.(AbortSignal.timeout(30_000));
  onTestFinished(async () => source.stop?.());
  return types;
}

/** Requests of this account: `pods: get`, and those that were denied. */
function asked(account: string) {
  const requests = api.audited().filter(({ user }) => user === `system:serviceaccount:trotline:${account}`);
  const used = new Set(
    requests.filter(({ resource }) => resource !== '').map(({ resource, verb }) => `${resource}: ${verb}`),
  );
  return { denied: requests.filter(({ status }) => status === 401 || status === 403), used: [...used].toSorted() };
}

/** What the chart's roles, as far as they are bound to this account, allow it, in the same words. */
function allowed(account: string): string[] {
  const bindings = documents.flatMap(({ roleRef, subjects }) => {
    const names = Array.isArray(subjects) ? subjects.map((subject: { name: string }) => subject.name) : [];
    return names.includes(account) ? [(roleRef as { name: string }).name] : [];
  });
  const bound = new Set(bindings);
  const roles = documents.filter(({ kind, metadata }) => {
    return (kind === 'Role' || kind === 'ClusterRole') && isObject(metadata) && bound.has(String(metadata.name));
  });
  const rules = roles.flatMap((role) => role.rules as { resources?: string[]; verbs: string[] }[]);
  // What is no resource is asked for by its address.
  const pairs = rules.flatMap(({ resources = [], verbs }) =>
    resources.flatMap((each) => verbs.map((verb) => `${each}: ${verb}`)),
  );
  return [...new Set(pairs)].toSorted();
}

async function expectUsed(account: string): Promise<void> {
  await eventually(() => expect(asked(account).used).toEqual(allowed(account)), { timeoutMs: 20_000, intervalMs: 100 });
  expect(asked(account).denied).toEqual([]);
}

describe.skipIf(missing !== null)('the roles of the chart', () => {
  it('H23: of the sidecar of a node are enough, and all used', async () => {
    const told = await hearing('trotline-sidecar', { role: 'node' });
    for (const kind of OWNERS) {
      const name = kind.toLowerCase();
      const group = kind.endsWith('Job') ? 'batch/v1' : 'apps/v1';
      await shop.pod(name, { owner: { apiVersion: group, kind, name: 'x', uid: `uid-${kind}`, controller: true } });
      await shop.restarted(name, 1);
    }
    await eventually(() => told.size === OWNERS.length);
    await expectUsed('trotline-sidecar');
  });

  it('H23: of those that may hear Events are enough, and all used', async () => {
    const told = await hearing('trotline-cluster', { role: 'cluster', lease: 'trotline/trotline-cluster' });
    for (const kind of OWNERS) {
      const name = `of-${kind.toLowerCase()}`;
      const group = kind.endsWith('Job') ? 'batch/v1' : 'apps/v1';
      const uid = await shop.pod(name, {
        owner: { apiVersion: group, kind, name: 'x', uid: `uid-${kind}`, controller: true },
      });
      const involvedObject = {
        kind: 'Pod',
        namespace: 'shop',
        name,
        uid,
        apiVersion: 'v1',
        fieldPath: 'spec.containers{main}',
      };
      await shop.event(name, 'Unhealthy', 'Readiness probe failed', { involvedObject });
    }
    await eventually(() => told.size >= OWNERS.length, { timeoutMs: 20_000 });
    await expectUsed('trotline-cluster');
  }, 60_000);

  it('H23: of the control plane are enough, and all used', async ({ skip }) => {
    const refused = await api.customResourcesRefused();
    if (refused !== null) process.stderr.write(`skipped: ${refused}\n`);
    skip(refused !== null, refused ?? '');
    await install(api, 'eventhooks.trotline.dev');
    await install(api, 'hooks.kagent.dev');
    const token = await own.token('trotline-control-plane', null, ['https://kubernetes.default.svc']);
    const kubeconfig = api.kubeconfig(token);
    const plane = await controlPlaneOf(api, { kubeconfig, lease: 'trotline/trotline-control-plane' });
    const sources = new Map([['kubernetes', { role: 'node', kubeconfig: api.kubeconfig() }]]);
    await sidecarOf(plane.socket, plane.folder, NODE, sources);
    const secret = { secretRef: { name: 'none', key: 'token' } };
    await new EventHooks(api, 'trotline').create(eventHook('roles', { actions: [webhook({ secret })] }));
    await new EventHooks(api, 'shop', 'hooks').create(KHOOK);
    await eventually(() => plane.hooks.current.hooks.length === 2);
    const applied = () =>
      plane.sidecars.list().flatMap(({ hooks }) => hooks.filter(({ state }) => state === 'applied'));
    await eventually(() => applied().some(({ hook }) => hook === 'shop/doctor.pod-restart'));
    await shop.pod('failing');
    await shop.restarted('failing', 1);
    await own.pod('sidecar-1', { serviceAccount: 'trotline-sidecar' });
    const granted = await createKubernetesApi(kubeconfig);
    expect(await granted.request('GET', '/.well-known/openid-configuration')).toHaveProperty('issuer');
    expect(await granted.request('GET', '/openid/v1/jwks')).toHaveProperty('keys');
    const verify = tokenReviewVerifier({
      api: granted,
      serviceAccounts: new Set(['trotline:trotline-sidecar']),
    });
    expect(await verify(await own.token('trotline-sidecar', 'sidecar-1'))).toEqual({ node: NODE });
    const reader = await own.token('trotline-sidecar', null, ['https://kubernetes.default.svc']);
    const env = { TROTLINE_API: plane.api.address, TROTLINE_TOKEN: reader };
    expect((await runWith(env, ['hooks', 'list'])).stderr).toContain('may not list eventhooks.trotline.dev');
    await expectUsed('trotline-control-plane');
  }, 60_000);
});

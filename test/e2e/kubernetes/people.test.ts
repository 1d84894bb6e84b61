/** People who reach API and command line by their Kubernetes token, reviewed by a real API server. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { runWith } from '../../unit/control-plane/cli-kit.ts';
import { eventHook } from '../../unit/control-plane/kit.ts';
import { controlPlaneOf } from './hooks-kit.ts';
import { Cluster } from './objects.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const missing = noApiServer();
let api: ApiServer;
let cluster: Cluster;
let folder: string;

beforeAll(async () => {
  if (missing !== null) return;
  api = await ApiServer.start();
  cluster = await Cluster.with(api, 'trotline');
  folder = await mkdtemp(join(tmpdir(), 'people-'));
  await mkdir(join(folder, 'hooks'));
  await writeFile(join(folder, 'hooks', 'a.yaml'), `${eventHook('pager')}---\n${eventHook('other')}`);
  for (const [name, rules] of Object.entries({
    reader: [{ verbs: ['get', 'list'] }],
    switcher: [{ verbs: ['update'], resourceNames: ['pager'] }, { verbs: ['get', 'list'] }],
    nobody: [],
  })) {
    const account = { kind: 'ServiceAccount', name, namespace: 'trotline' };
    await api.request('POST', '/api/v1/namespaces/trotline/serviceaccounts', { metadata: { name } });
    const of = rules.map((rule) => ({ apiGroups: ['trotline.dev'], resources: ['eventhooks'], ...rule }));
    await api.request('POST', `${RBAC}/clusterroles`, { metadata: { name }, rules: of });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
    await api.request('POST', `${RBAC}/clusterrolebindings`, { metadata: { name }, roleRef, subjects: [account] });
  }
}, 60_000);
afterAll(async () => {
  await api?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

const tokenOf = (account: string): Promise<string> => cluster.token(account, null, ['https://kubernetes.default.svc']);

/** The command line as this service account, from where only the address is known. */
async function trotlineAs(account: string) {
  const plane = await controlPlaneOf(api, { hooks: join(folder, 'hooks') });
  const env = { TROTLINE_API: plane.api.address, TROTLINE_TOKEN: await tokenOf(account) };
  return (...argv: string[]) => runWith(env, argv);
}

describe.skipIf(missing !== null)('a person of the cluster', () => {
  it('who may list EventHooks reads, and changes nothing', async () => {
    const trotline = await trotlineAs('reader');
    expect((await trotline('hooks', 'list')).stdout).toContain('pager');
    expect((await trotline('hooks', 'show', 'pager')).code).toBe(0);
    const { code, stderr } = await trotline('hooks', 'disable', 'pager');
    expect([code, stderr]).toEqual([
      1,
      'error: system:serviceaccount:trotline:reader may not update eventhooks.trotline.dev "trotline/pager"; a role with the verb update is needed\n',
    ]);
    expect((await trotline('hooks', 'stats', '--reset', '--yes')).stderr).toContain('may not update');
  });

  it('who may update one EventHook switches that one, and the audit has the name that the API server gave', async () => {
    const trotline = await trotlineAs('switcher');
    expect((await trotline('hooks', 'disable', 'pager')).code).toBe(0);
    expect((await trotline('hooks', 'disable', 'other')).stderr).toContain('may not update');
    const shown = JSON.parse((await trotline('hooks', 'show', 'pager', '-o', 'json')).stdout) as { override: object };
    expect(shown.override).toMatchObject({ enabled: false, who: 'system:serviceaccount:trotline:switcher' });
  });

  it('without a role is told what it would take', async () => {
    const { stderr } = await (await trotlineAs('nobody'))('events', 'list');
    expect(stderr).toContain('system:serviceaccount:trotline:nobody may not list eventhooks.trotline.dev');
  });

  it('with a token of nobody, of another audience or none is not let in', async () => {
    const plane = await controlPlaneOf(api, { hooks: join(folder, 'hooks') });
    const foreign = await cluster.token('reader', null, ['elsewhere']);
    for (const token of ['x', foreign, '']) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await fetch(`${plane.api.address}/v1/hooks`, { headers })).status).toBe(401);
    }
  });

  it('is told that the API server is away, while the token of the data folder still opens', async () => {
    const trotline = await trotlineAs('reader');
    const plane = await controlPlaneOf(api, { hooks: join(folder, 'hooks') });
    await api.killServer();
    try {
      expect((await trotline('hooks', 'list')).stderr).toContain('no TokenReview');
      const own = await runWith({ TROTLINE_DATA: join(plane.folder, 'data') }, ['hooks', 'list']);
      expect([own.code, own.stdout]).toEqual([0, expect.stringContaining('pager')]);
    } finally {
      await api.startServer();
    }
  }, 60_000);
});

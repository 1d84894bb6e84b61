/** Who a sidecar is, by a projected token that a real API server made and reviews. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { parseConfig } from '#core';
import { createControlPlane } from '#control-plane';

import { ControlPlaneConfig } from '../../../control-plane/config.ts';
import { silentLog } from '../../kit/action-context.ts';
import { certificate } from '../../kit/certificates.ts';
import { refusal } from '../../kit/wire-probe.ts';

import { identityOf } from './identity-kit.ts';
import { ApiServer, noApiServer } from '../../kit/api-server.ts';
import { Cluster } from './objects.ts';

const missing = noApiServer();
let api: ApiServer;
let cluster: Cluster;

beforeAll(async () => {
  if (missing !== null) return;
  api = await ApiServer.start({ flags: ['--api-audiences=https://kubernetes.default.svc,trotline'] });
  cluster = await Cluster.with(api, 'trotline');
  for (const name of ['sidecar', 'other'])
    await api.request('POST', '/api/v1/namespaces/trotline/serviceaccounts', { metadata: { name } });
  await cluster.pod('sidecar-1', { serviceAccount: 'sidecar', nodeName: 'node-1' });
  await cluster.pod('other-1', { serviceAccount: 'other', nodeName: 'node-1' });
}, 60_000);
afterAll(() => api?.stop());

describe.skipIf(missing !== null)('a sidecar of the cluster', () => {
  it('is the one of the node that its pod runs on', async () => {
    const verify = await identityOf(api, ['trotline:sidecar']);
    expect(await verify(await cluster.token('sidecar', 'sidecar-1'))).toEqual({ node: 'node-1' });
  });

  it.each([
    [
      'whose token is for another audience',
      () => cluster.token('sidecar', 'sidecar-1', ['https://kubernetes.default.svc']),
      'not valid for',
    ],
    ['whose token names no pod', () => cluster.token('sidecar', null), 'names no pod'],
    ['of another service account', () => cluster.token('other', 'other-1'), 'no service account of sidecars'],
    ['who is a person', async () => 'admintoken', 'no service account of sidecars'],
    ['with text', async () => 'x'.repeat(10_000), 'not valid for'],
  ])('is nobody %s', async (_, token, why) => {
    const verify = await identityOf(api, ['trotline:sidecar']);
    await expect(verify(await token())).rejects.toThrow(why);
  });

  it('is nobody once its pod is gone', async () => {
    const verify = await identityOf(api, ['trotline:sidecar']);
    await cluster.pod('sidecar-2', { serviceAccount: 'sidecar', nodeName: 'node-2' });
    const token = await cluster.token('sidecar', 'sidecar-2');
    expect(await verify(token)).toEqual({ node: 'node-2' });
    await api.request('DELETE', '/api/v1/namespaces/trotline/pods/sidecar-2?gracePeriodSeconds=0');
    await expect(verify(token)).rejects.toThrow();
  });

  it('may watch and report for its own node only', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'identity-'));
    const { certFile, keyFile } = certificate(folder, 'server');
    await mkdir(join(folder, 'hooks'));
    const config = parseConfig(
      ControlPlaneConfig,
      {
        data: join(folder, 'control-plane'),
        hooks: join(folder, 'hooks'),
        api: '127.0.0.1:0',
        listen: '127.0.0.1:0',
        tlsCert: certFile,
        tlsKey: keyFile,
        sidecarAccounts: ['trotline:sidecar'],
        kubeconfig: api.kubeconfig(),
      },
      'test',
    );
    const { supervisor, server, sidecars } = createControlPlane({ config, log: silentLog });
    await supervisor.start();
    onTestFinished(async () => {
      await supervisor.stop();
      await rm(folder, { recursive: true });
    });
    const address = `localhost:${server.networkPort}`;
    const token = await cluster.token('sidecar', 'sidecar-1');
    expect(await refusal(address, certFile, token, 'node-2')).toBe('the token is of node "node-1", not of "node-2"');
    expect(await refusal(address, certFile, token, 'node-1')).toBe(null);
    expect(sidecars.list().map(({ sidecarId, node }) => [sidecarId, node])).toEqual([['node-1/probe', 'node-1']]);
  });
});

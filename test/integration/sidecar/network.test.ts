/** Sidecars of other machines: TLS, and a token that says who calls. */
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';

import { parseConfig, systemClock } from '#core';
import { createControlPlane } from '#control-plane';
import { ReportServiceClient } from '#proto';
import { createSidecar, DEFAULT_POLICY, parseSidecarOptions, sidecarId } from '#sidecar';

import { ControlPlaneConfig, readArguments } from '../../../control-plane/config.ts';
import { silentLog } from '../../kit/action-context.ts';
import { certificate } from '../../kit/certificates.ts';
import { eventually } from '../../kit/eventually.ts';
import { refusal } from '../../kit/wire-probe.ts';

const HOOK = `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: far }
spec: { source: netlink, actions: [{ type: webhook, config: { url: 'http://127.0.0.1:9' } }] }
`;

async function listening() {
  const folder = await mkdtemp(join(tmpdir(), 'network-'));
  const { certFile, keyFile } = certificate(folder, 'server');
  await mkdir(join(folder, 'hooks'));
  await writeFile(join(folder, 'hooks', 'far.yaml'), HOOK);
  await writeFile(join(folder, 'token'), 'secret-of-all\n');
  const config = parseConfig(
    ControlPlaneConfig,
    {
      data: join(folder, 'control-plane'),
      hooks: join(folder, 'hooks'),
      api: '127.0.0.1:0',
      listen: '127.0.0.1:0',
      tlsCert: certFile,
      tlsKey: keyFile,
      sidecarToken: join(folder, 'token'),
    },
    'test',
  );
  const controlPlane = createControlPlane({ config, log: silentLog });
  await controlPlane.supervisor.start();
  onTestFinished(async () => {
    await controlPlane.supervisor.stop();
    await rm(folder, { recursive: true });
  });
  return { folder, certFile, keyFile, controlPlane, address: `localhost:${controlPlane.server.networkPort}` };
}

async function sidecarOf(folder: string, node: string, options: { controlPlane: string; ca: string; token: string }) {
  const data = join(folder, node);
  await mkdir(data);
  const sidecar = createSidecar({
    options: parseSidecarOptions({ ...options, data, node }),
    sidecarId: await sidecarId(data),
    version: '0.0.0',
    policy: DEFAULT_POLICY,
    sources: [],
    actions: [],
    clock: systemClock,
    log: silentLog,
  });
  await sidecar.start();
  onTestFinished(() => sidecar.stop(AbortSignal.timeout(1000)));
  return sidecar;
}

it('a sidecar of another machine gets its hooks over TLS', async () => {
  const { folder, certFile, address, controlPlane } = await listening();
  await sidecarOf(folder, 'far-1', { controlPlane: address, ca: certFile, token: join(folder, 'token') });
  await eventually(() => controlPlane.sidecars.list().some(({ node, connected }) => node === 'far-1' && connected));
});

it('a sidecar with another token stays outside', async () => {
  const { folder, certFile, address, controlPlane } = await listening();
  await writeFile(join(folder, 'wrong'), 'guessed');
  const sidecar = await sidecarOf(folder, 'far-1', {
    controlPlane: address,
    ca: certFile,
    token: join(folder, 'wrong'),
  });
  const reason = await refusal(address, certFile, 'guessed');
  expect(reason).toContain('the token is not the one of the sidecars');
  expect(controlPlane.sidecars.list()).toEqual([]);
  expect(sidecar.hooks.runtimes).toEqual([]);
});

it('a sidecar sends its token to nobody whose certificate it cannot check', async () => {
  const { folder, address, controlPlane } = await listening();
  const other = certificate(folder, 'other');
  await sidecarOf(folder, 'far-1', { controlPlane: address, ca: other.certFile, token: join(folder, 'token') });
  expect(await refusal(address, other.certFile, 'secret-of-all')).toMatch(/self-signed|verify|certificate/i);
  expect(controlPlane.sidecars.list()).toEqual([]);
});

it('a certificate that is replaced is served without a restart, and trusted where its authority is', async () => {
  const { folder, certFile, keyFile, address, controlPlane } = await listening();
  const next = certificate(folder, 'next');
  await copyFile(next.keyFile, keyFile);
  await copyFile(next.certFile, certFile);
  await eventually(async () => (await refusal(address, next.certFile, 'secret-of-all')) === null, {
    timeoutMs: 25_000,
  });
  await sidecarOf(folder, 'far-1', { controlPlane: address, ca: next.certFile, token: join(folder, 'token') });
  await eventually(() => controlPlane.sidecars.list().length === 1);
}, 40_000);

it.each([
  [['--listen', '0.0.0.0:7412'], 'needs TLS: --tls-cert and --tls-key'],
  [['--listen', '0.0.0.0:7412', '--tls-cert', 'a', '--tls-key', 'b'], 'needs one credential'],
  [['--listen', '7412', '--tls-cert', 'a', '--tls-key', 'b', '--sidecar-token', 't'], 'host:port'],
])('a control plane told %j does not start: %s', (more, why) => {
  expect(() => readArguments(['--hooks', '/h', ...more], {})).toThrow(why);
});

it('a caller cannot say for itself that it was authenticated', async () => {
  const { certFile, address, controlPlane } = await listening();
  const client = new ReportServiceClient(address, credentials.createSsl(await readFile(certFile)));
  onTestFinished(() => client.close());
  const metadata = new Metadata();
  metadata.set('trotline-caller', 'network');
  metadata.set('trotline-caller-node', 'far-1');
  const call = client.publish(metadata);
  const ended = new Promise<ServiceError>((resolve) => call.on('error', resolve));
  call.write({
    sidecarId: 'x',
    node: 'far-1',
    events: [],
    outcomes: [],
    progress: [],
    ledger: undefined,
    acknowledgedSequence: 0n,
  });
  expect((await ended).details).toContain('expected a bearer token');
  expect(controlPlane.sidecars.list()).toEqual([]);
});

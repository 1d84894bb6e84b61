/** The charts as a user would install them, without Helm: rendered here, applied by kubectl. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BlockList } from 'node:net';

import { renderChart } from '../kit/chart.ts';
import { certificate } from '../kit/certificates.ts';
import { apply, get, kubectl } from './kubectl.ts';

const CHARTS = resolve(import.meta.dirname, '../../deploy/charts');
export const NAMESPACE = 'trotline';

export interface InstallOptions {
  readonly image: string;
  readonly kagentUrl: string;
  /** Where agents and webhooks may be, beside the open internet. */
  readonly allow: readonly string[];
}

/** Resolves when every pod is ready. */
export function install({ image, kagentUrl, allow }: InstallOptions): void {
  const [repository = '', tag = 'latest'] = image.split(':');
  const policy = { actions: ['a2a', 'guard', 'webhook'], webhook: { allow } };
  const values = {
    image: { repository, tag, pullPolicy: 'Never' },
    kagent: { apiUrl: kagentUrl },
    controlPlane: { persistence: { enabled: false } },
    sidecar: {
      policy,
      hostPID: true,
      agents: { enabled: true },
      sources: { kubernetes: { role: 'node', pendingAfter: '10s' } },
    },
    cluster: { policy },
  };
  kubectl(['create', 'namespace', NAMESPACE]);
  apply(renderChart(join(CHARTS, 'trotline-crds')));
  kubectl([
    'wait',
    '--for=condition=Established',
    '--timeout=30s',
    'crd/eventhooks.trotline.dev',
    'crd/hooks.kagent.dev',
  ]);
  const apiVersions = kubectl(['api-versions']).split('\n');
  apply(
    renderChart(join(CHARTS, 'trotline'), { values, namespace: NAMESPACE, apiVersions, certificates: certificatesOf }),
  );
  for (const workload of [
    'deployment/trotline-control-plane',
    'deployment/trotline-cluster',
    'daemonset/trotline-sidecar',
  ])
    kubectl(['-n', NAMESPACE, 'rollout', 'status', workload, '--timeout=120s']);
}

function certificatesOf(hosts: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'chart-'));
  const names = hosts.map((host) => `DNS:${host}`);
  const { certFile, keyFile } = certificate(folder, 'trotline', names);
  const cert = readFileSync(certFile, 'utf8');
  const pair = { ca: cert, cert, key: readFileSync(keyFile, 'utf8') };
  rmSync(folder, { recursive: true });
  return pair;
}

/** The address of this machine that nodes and pods reach: one in a network with a node. */
export function ownAddress(): string {
  const { items } = get('nodes') as { items: { status: { addresses: { type: string; address: string }[] } }[] };
  const nodes = items.flatMap(({ status }) => status.addresses.filter(({ type }) => type === 'InternalIP'));
  for (const { address, family, cidr } of Object.values(networkInterfaces()).flatMap((each) => each ?? [])) {
    if (family !== 'IPv4' || cidr === null) continue;
    const network = new BlockList();
    network.addSubnet(address, Number(cidr.split('/')[1]));
    if (nodes.some((node) => network.check(node.address))) return address;
  }
  throw new Error('no address of this machine is in a network of a node; expected a cluster on this machine');
}

export function uninstall(): void {
  const named = (kind: string): string[] => [kind, '-l', 'app.kubernetes.io/instance=trotline'];
  kubectl(['delete', '--ignore-not-found', 'namespace', NAMESPACE]);
  for (const kind of ['clusterrole', 'clusterrolebinding']) kubectl(['delete', ...named(kind)]);
  kubectl(['delete', '--ignore-not-found', 'crd', 'eventhooks.trotline.dev', 'hooks.kagent.dev']);
}

/** A control plane whose hooks come from a real API server, and a sidecar of it that holds them. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';
import { parse } from 'yaml';

import { parseConfig, systemClock } from '#core';
import { createControlPlane, dataFiles } from '#control-plane';
import { actions, sources } from '#plugins';
import { createSidecar, parseSidecarOptions, policyForUp, type Sidecar, sidecarId } from '#sidecar';

import { ControlPlaneConfig } from '../../../control-plane/config.ts';
import { silentLog } from '../../kit/action-context.ts';
import type { ApiServer } from '../../kit/api-server.ts';
import { eventually } from '../../kit/eventually.ts';

type Json = Readonly<Record<string, unknown>>;
const CRDS = join(import.meta.dirname, '../../../deploy/crds');

/** Installs the definition; resolves when the API server serves the kind. */
export async function install(api: ApiServer, name: string): Promise<void> {
  const definition = parse(await readFile(join(CRDS, `${name}.yaml`), 'utf8')) as Json;
  await api.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  const [plural = '', ...group] = name.split('.');
  const { versions } = definition.spec as { versions: { name: string }[] };
  const path = `/apis/${group.join('.')}/${versions[0]?.name}/${plural}`;
  await eventually(async () => (await api.ask('GET', path)).status === 200, { timeoutMs: 20_000 });
}

export async function controlPlaneOf(api: ApiServer, options: Json = {}, env: NodeJS.ProcessEnv = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'hooks-'));
  const config = parseConfig(
    ControlPlaneConfig,
    { data: join(folder, 'data'), kubernetes: true, kubeconfig: api.kubeconfig(), api: '127.0.0.1:0', ...options },
    'test',
  );
  const controlPlane = createControlPlane({ config, log: silentLog, env });
  await controlPlane.supervisor.start();
  const stop = async (): Promise<void> => {
    await controlPlane.supervisor.stop();
    await rm(folder, { recursive: true, force: true });
  };
  onTestFinished(stop);
  return { ...controlPlane, folder, socket: dataFiles(join(folder, 'data')).socket };
}

/** JSON of its HTTP API. */
export async function apiOf<T>({ api, folder }: Awaited<ReturnType<typeof controlPlaneOf>>, path: string): Promise<T> {
  const token = (await readFile(dataFiles(join(folder, 'data')).token, 'utf8')).trim();
  const response = await fetch(`${api.address}${path}`, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Without sources, but for those that have options. */
export async function sidecarOf(
  socket: string,
  folder: string,
  node: string,
  sourceConfigs: ReadonlyMap<string, unknown> = new Map(),
): Promise<Sidecar> {
  const data = join(folder, node);
  await mkdir(data);
  const sidecar = createSidecar({
    options: parseSidecarOptions({ controlPlane: `unix:${socket}`, data, node }),
    sidecarId: await sidecarId(data),
    version: '0.0.0',
    policy: policyForUp({ hooksDirectory: folder, user: 'root' }),
    sources: sources.filter(({ type }) => sourceConfigs.has(type)),
    sourceConfigs,
    actions,
    clock: systemClock,
    log: silentLog,
  });
  await sidecar.start();
  onTestFinished(() => sidecar.stop(AbortSignal.timeout(1000)));
  return sidecar;
}

export const eventHook = (name: string, spec: Json = {}, namespace = 'trotline') => ({
  apiVersion: 'trotline.dev/v1alpha1',
  kind: 'EventHook',
  metadata: { name, namespace },
  spec: { source: 'kubernetes', eventTypes: ['oom-kill'], actions: [webhook()], ...spec },
});

export const webhook = (config: Json = {}) => ({
  type: 'webhook',
  config: { url: 'https://alerts.example.com/x', ...config },
});

export class EventHooks {
  readonly #api: ApiServer;
  readonly #path: string;

  constructor(api: ApiServer, namespace: string, kind: 'eventhooks' | 'hooks' = 'eventhooks') {
    const group = kind === 'hooks' ? 'kagent.dev/v1alpha2' : 'trotline.dev/v1alpha1';
    this.#api = api;
    this.#path = `/apis/${group}/namespaces/${namespace}/${kind}`;
  }

  create(hook: Json): Promise<Json> {
    return this.#api.request('POST', this.#path, hook);
  }

  patch(name: string, body: Json): Promise<Json> {
    return this.#api.patch(`${this.#path}/${name}`, body);
  }

  delete(name: string): Promise<Json> {
    return this.#api.request('DELETE', `${this.#path}/${name}`);
  }

  async status(name: string): Promise<{ conditions?: Json[]; observedGeneration?: number; nodes?: Json }> {
    const { status = {} } = await this.#api.request('GET', `${this.#path}/${name}`);
    return status as object;
  }

  /** Its Ready condition, once it has this status. */
  ready(name: string, wanted: 'True' | 'False'): Promise<Json> {
    return eventually(
      async () => {
        const ready = (await this.status(name)).conditions?.find(({ type }) => type === 'Ready');
        if (ready?.status !== wanted) throw new Error(`Ready is ${JSON.stringify(ready)}`);
        return ready;
      },
      { timeoutMs: 15_000 },
    );
  }
}

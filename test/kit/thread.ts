/** A control plane and a sidecar in this process, with everything real between them: sockets, journal, store, API. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type ActionDefinition, createLog, parseConfig, type SourceDefinition, systemClock } from '#core';
import { createControlPlane, type ControlPlane, dataFiles } from '#control-plane';
import {
  createSidecar,
  type NodePolicy,
  parseSidecarOptions,
  policyForUp,
  type Sidecar,
  sidecarId,
  type SidecarOptions,
} from '#sidecar';

import { ControlPlaneConfig } from '../../control-plane/config.ts';
import type { EventDetail, EventSummary, HookStats, NodeLedger } from '../../control-plane/store/types.ts';
import { eventually } from './eventually.ts';

const log = createLog(process.env.TROTLINE_TEST_LOG === 'info' ? 'info' : 'silent', 2);

export interface ThreadOptions {
  /** File name → YAML. */
  readonly hooks?: Readonly<Record<string, string>>;
  readonly sources?: readonly SourceDefinition[];
  readonly actions?: readonly ActionDefinition[];
  readonly policy?: NodePolicy;
  readonly sourceConfigs?: ReadonlyMap<string, unknown>;
  readonly sidecar?: Partial<SidecarOptions>;
  /** Of the control plane. */
  readonly env?: NodeJS.ProcessEnv;
}

export class Thread implements AsyncDisposable {
  readonly folder: string;
  readonly #options: ThreadOptions;
  #controlPlane: ControlPlane | null = null;
  #sidecar: Sidecar | null = null;

  constructor(folder: string, options: ThreadOptions) {
    this.folder = folder;
    this.#options = options;
  }

  get hooksFolder(): string {
    return join(this.folder, 'hooks');
  }

  get sidecar(): Sidecar {
    if (!this.#sidecar) throw new Error('the sidecar is not started');
    return this.#sidecar;
  }

  get controlPlane(): ControlPlane {
    if (!this.#controlPlane) throw new Error('the control plane is not started');
    return this.#controlPlane;
  }

  async startControlPlane(): Promise<void> {
    const config = parseConfig(
      ControlPlaneConfig,
      { data: this.folder, hooks: this.hooksFolder, api: '127.0.0.1:0' },
      'test',
    );
    this.#controlPlane = createControlPlane({ config, log, env: this.#options.env ?? {} });
    await this.#controlPlane.supervisor.start();
  }

  async stopControlPlane(): Promise<void> {
    await this.#controlPlane?.supervisor.drainAndStop(AbortSignal.timeout(5000));
    this.#controlPlane = null;
  }

  /** Resolves when the hooks of the control plane run, where there is one. */
  async startSidecar(): Promise<void> {
    const files = dataFiles(this.folder);
    const { sources = [], actions = [], policy, sourceConfigs, sidecar } = this.#options;
    const options = parseSidecarOptions({
      controlPlane: `unix:${files.socket}`,
      data: files.sidecar,
      node: 'test-node',
      ...sidecar,
    });
    this.#sidecar = createSidecar({
      options,
      sidecarId: await sidecarId(files.sidecar),
      version: '0.0.0',
      policy: policy ?? policyForUp({ hooksDirectory: this.hooksFolder, user: 'root' }),
      sources,
      sourceConfigs,
      actions,
      clock: systemClock,
      log,
    });
    await this.#sidecar.start();
    if (this.#controlPlane) await this.synced();
  }

  async stopSidecar(deadline: AbortSignal = AbortSignal.timeout(5000)): Promise<void> {
    await this.#sidecar?.stop(deadline);
    this.#sidecar = null;
  }

  /** Until the sidecar runs what the control plane has. */
  async synced(): Promise<void> {
    const wanted = this.controlPlane.hooks.current.hooks.map(({ digest }) => digest).sort();
    await eventually(() => {
      const held = this.sidecar.hooks.runtimes.map(({ hook }) => hook.digest).sort();
      if (held.join() !== wanted.join()) throw new Error(`runs ${held.length} hooks, wanted ${wanted.length}`);
    });
  }

  async writeHook(file: string, yaml: string): Promise<void> {
    await writeFile(join(this.hooksFolder, file), yaml);
  }

  /** JSON of the HTTP API. */
  async api<T>(path: string, init: RequestInit = {}): Promise<T> {
    const token = (await readFile(dataFiles(this.folder).token, 'utf8')).trim();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.controlPlane.api.address}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  events(query = ''): Promise<EventSummary[]> {
    return this.api(`/v1/events${query}`);
  }

  /** The same with all that each attempt said. */
  async fullEvents(query = ''): Promise<EventDetail[]> {
    const events = await this.events(query);
    return Promise.all(events.map(({ id }) => this.api<EventDetail>(`/v1/events/${id}`)));
  }

  stats(): Promise<HookStats[]> {
    return this.api('/v1/stats');
  }

  ledger(): Promise<NodeLedger[]> {
    return this.api('/v1/ledger');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopSidecar(AbortSignal.timeout(2000));
    await this.stopControlPlane();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Both started; stops and deletes everything at the end of the test (`await using`). */
export async function startThread(options: ThreadOptions): Promise<Thread> {
  const thread = new Thread(await mkdtemp(join(tmpdir(), 'trotline-')), options);
  await mkdir(thread.hooksFolder, { recursive: true });
  for (const [file, yaml] of Object.entries(options.hooks ?? {})) await thread.writeHook(file, yaml);
  await thread.startControlPlane();
  await thread.startSidecar();
  return thread;
}

export interface HookParts {
  readonly spec?: string;
  readonly config?: string;
}

/** The YAML of a hook with one `script` action; `spec` and `config` are more lines in flow style. */
export function hookYaml(name: string, { spec = '', config = 'command: [/bin/true]' }: HookParts = {}): string {
  return `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: ${name} }
spec: { ${spec === '' ? '' : `${spec}, `}actions: [{ type: script, config: { ${config} } }] }
`;
}

/** Composition root: builds the parts and gives their order to the supervisor; no logic. */
import { mkdir } from 'node:fs/promises';

import { type Clock, type Component, type Log, Probes, Supervisor, systemClock, withCel } from '#core';
import { vocabulary } from '#plugins/schemas';

import { createApprovalService } from './approval-service.ts';
import { Approvals } from './approvals.ts';
import { createClaimService } from './claims.ts';
import { type ControlPlaneConfig, dataFiles } from './config.ts';
import { createConfigService } from './config/config-service.ts';
import { HookDirectory } from './config/hook-directory.ts';
import { kagentSettings } from './config/kagent.ts';
import { HookRegistry } from './config/hook-registry.ts';
import { SidecarRegistry } from './config/sidecar-registry.ts';
import { createGroupService } from './groups.ts';
import { HttpApi } from './http/api.ts';
import { createReportService } from './reports.ts';
import { createKeyService } from './key-service.ts';
import { kubernetesPeople } from './identity/people.ts';
import { networkOf } from './identity/network-options.ts';
import { openOnce, type OpenKubernetesApi } from './kubernetes/api.ts';
import { NO_GRANTS, readGrants } from './kubernetes/grants.ts';
import { HookResources } from './kubernetes/hook-resources.ts';
import { Incidents } from './kubernetes/incidents.ts';
import { Leadership } from './kubernetes/leadership.ts';
import { KubernetesSecrets } from './kubernetes/secrets.ts';
import { StatusWriter } from './kubernetes/status-writer.ts';
import { Metrics } from './metrics.ts';
import { createGrpcServer, type GrpcServer } from './server.ts';
import { createStore, type Store } from './store/index.ts';
import { HookHealth } from './stream/health.ts';
import { openRedis } from './stream/redis-port.ts';
import { RedisStreams } from './stream/redis-streams.ts';
import { type StreamSettings, streamSettings } from './stream/settings.ts';
import { AgentFeed } from './stream/feed.ts';
import { HookSockets } from './stream/sockets.ts';

export interface ControlPlaneOptions {
  readonly config: ControlPlaneConfig;
  readonly log: Log;
  readonly clock?: Clock;
  readonly env?: NodeJS.ProcessEnv;
  /** Another control plane leads: this process has to end. */
  readonly onLost?: (reason: string) => void;
}

/** A control plane, ready to be started. */
export interface ControlPlane {
  readonly supervisor: Supervisor;
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  /** Its `address` is known after the start. */
  readonly api: HttpApi;
  readonly server: GrpcServer;
  /** Null: none are asked for. */
  readonly probes: Probes | null;
}

/** Hooks are refused or accepted here, so that CEL is always there. */
const words = await withCel(vocabulary);

export function createControlPlane({
  config,
  log,
  clock = systemClock,
  env = {},
  onLost,
}: ControlPlaneOptions): ControlPlane {
  const files = dataFiles(config.data);
  const store = createStore({ path: files.database, log, retention: { maxAgeMs: config.retention } });
  const kubernetesApi = openOnce(config.kubeconfig);
  const kagent = kagentSettings(env);
  const { origins, resources } = originsOf(config, kubernetesApi, { log, clock, kagentUrl: kagent.url });
  const secrets = resources ? new KubernetesSecrets(kubernetesApi, clock, log) : null;
  const hooks = new HookRegistry({
    origins: origins.map(({ origin }) => origin),
    store,
    log,
    kagent,
    ...(secrets ? { clusterSecrets: secrets } : {}),
  });
  const sidecars = new SidecarRegistry(clock);
  const approvals = new Approvals(store);
  const { feed, sockets, redis } = feeding(streamSettings(env), store, clock, log);
  const incidents = new Incidents(hooks, clock);
  const activeEvents = resources ? (file: string) => incidents.active(file).length : null;
  // Without probes nobody reads them.
  const metrics =
    config.probes === undefined ? null : new Metrics({ hooks, sidecars, activeEvents, agents: () => feed.families() });
  const leadership =
    config.lease === undefined
      ? null
      : new Leadership({ api: kubernetesApi, lease: config.lease, clock, log, onLost: onLost ?? (() => undefined) });
  const server = createGrpcServer({
    address: `unix:${files.socket}`,
    network: networkOf(config, kubernetesApi, clock),
    services: [
      createConfigService({ hooks, sidecars, log }),
      createClaimService(store, log),
      createGroupService(store, log),
      createApprovalService(approvals, log),
      createKeyService(config.kubernetes === true ? kubernetesApi : null, log),
      createReportService(store, log, {
        onHealth: (id, health) => sidecars.reported(id, health),
        onStored: (batch, sidecarId) => {
          metrics?.stored(batch, sidecarId);
          if (resources) incidents.stored(batch);
        },
      }),
    ],
    log,
  });
  const parts = { hooks, sidecars, store, approvals, sockets, feed, redis, vocabulary: words, clock, log };
  const api = new HttpApi({
    ...parts,
    listen: config.api,
    tokenFile: files.token,
    addressFile: files.apiAddress,
    ...(config.kubernetes === true ? { people: kubernetesPeople(kubernetesApi, clock) } : {}),
  });

  const supervisor = new Supervisor(log);
  let started = false;
  const probes =
    config.probes === undefined || !metrics
      ? null
      : new Probes({
          listen: config.probes,
          notReady: () => leadership?.waiting ?? (started ? null : 'starting'),
          metrics: () => metrics.text(),
          log,
        });
  if (probes) supervisor.add('probes', probes);
  if (leadership) supervisor.add('lease', leadership);
  supervisor.add('data', folder(config.data));
  supervisor.add('store', store);
  supervisor.add('agents', feed);
  for (const { name, origin } of origins) supervisor.add(name, origin);
  if (secrets) supervisor.add('secrets', secrets);
  supervisor.add('hooks', hooks);
  supervisor.add('grpc', server);
  supervisor.add('api', api);
  if (resources)
    supervisor.add(
      'status',
      new StatusWriter({ api: kubernetesApi, resources, hooks, sidecars, incidents, clock, log }),
    );
  supervisor.add('readiness', { start: async () => void (started = true), drain: async () => void (started = false) });
  return { supervisor, hooks, sidecars, api, server, probes };
}

/** What happens to agents' events beside the history. */
function feeding(settings: StreamSettings, store: Store, clock: Clock, log: Log) {
  const sockets = new HookSockets(clock, log);
  const health = new HookHealth(clock, settings.thresholdMs);
  const { redis: address } = settings;
  const redis =
    address === null
      ? null
      : new RedisStreams({
          open: (events) => openRedis(address.url, events),
          ttlSeconds: address.ttlSeconds,
          clock,
          log,
        });
  const feed = new AgentFeed({ settings, sockets, redis, health, summarise: () => store.summarise(), clock, log });
  store.onNews((news) => feed.hear(news));
  return { feed, sockets, redis };
}

/** The directory first: what the administrator wrote there keeps its name. */
function originsOf(
  { hooks, kubernetes, grants }: ControlPlaneConfig,
  kubernetesApi: OpenKubernetesApi,
  { log, clock, kagentUrl }: Timed & { readonly kagentUrl: string },
) {
  const directory =
    hooks === undefined
      ? []
      : [{ name: 'hook-directory', origin: new HookDirectory({ directory: hooks, vocabulary: words, log, clock }) }];
  if (kubernetes !== true) return { origins: directory, resources: null };
  const resources = new HookResources({
    api: kubernetesApi,
    grants: async () => (grants === undefined ? NO_GRANTS : readGrants(grants)),
    kagentUrl,
    vocabulary: words,
    clock,
    log,
  });
  return { origins: [...directory, { name: 'hook-resources', origin: resources }], resources };
}

interface Timed {
  readonly log: Log;
  readonly clock: Clock;
}

/** Only its owner looks into the data folder. */
function folder(path: string): Component {
  return {
    async start() {
      await mkdir(path, { recursive: true, mode: 0o700 });
    },
  };
}

/** Composition root: builds the parts and gives their order to the supervisor; no logic. */
import { mkdir } from 'node:fs/promises';

import { type Clock, type Component, type Log, Supervisor, systemClock, withCel } from '#core';
import { vocabulary } from '#plugins/schemas';

import { createClaimService } from './claims.ts';
import { type ControlPlaneConfig, dataFiles } from './config.ts';
import { createConfigService } from './config/config-service.ts';
import { HookDirectory } from './config/hook-directory.ts';
import { HookRegistry } from './config/hook-registry.ts';
import { SidecarRegistry } from './config/sidecar-registry.ts';
import { HttpApi } from './http/api.ts';
import { createReportService } from './reports.ts';
import { cachedVerifier, tokenFileVerifier, type VerifyToken } from './identity/verifier.ts';
import { tokenReviewVerifier } from './identity/token-review.ts';
import { createKubernetesApi } from './kubernetes/api.ts';
import { createGrpcServer, type GrpcServer } from './server.ts';
import { createStore } from './store/index.ts';

export interface ControlPlaneOptions {
  readonly config: ControlPlaneConfig;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A control plane, ready to be started. */
export interface ControlPlane {
  readonly supervisor: Supervisor;
  readonly hooks: HookRegistry;
  readonly sidecars: SidecarRegistry;
  /** Its `address` is known after the start. */
  readonly api: HttpApi;
  readonly server: GrpcServer;
}

/** Hooks are refused or accepted here, so that CEL is always there. */
const words = await withCel(vocabulary);

export function createControlPlane({ config, log, clock = systemClock }: ControlPlaneOptions): ControlPlane {
  const files = dataFiles(config.data);
  const store = createStore({ path: files.database, log, retention: { maxAgeMs: config.retention } });
  const directory = new HookDirectory({ directory: config.hooks, vocabulary: words, log, clock });
  const hooks = new HookRegistry({ directory, store, log });
  const sidecars = new SidecarRegistry(clock);
  const server = createGrpcServer({
    address: `unix:${files.socket}`,
    network: networkOf(config, clock),
    services: [
      createConfigService({ hooks, sidecars, log }),
      createClaimService(store, log),
      createReportService(store, log, (id, health) => sidecars.reported(id, health)),
    ],
    log,
  });
  const parts = { hooks, sidecars, store, vocabulary: words, clock, log };
  const api = new HttpApi({ ...parts, listen: config.api, tokenFile: files.token, addressFile: files.apiAddress });

  const supervisor = new Supervisor(log);
  supervisor.add('data', folder(config.data));
  supervisor.add('store', store);
  supervisor.add('hook-directory', directory);
  supervisor.add('hooks', hooks);
  supervisor.add('grpc', server);
  supervisor.add('api', api);
  return { supervisor, hooks, sidecars, api, server };
}

function networkOf(
  { listen, tlsCert, tlsKey, sidecarToken, sidecarAccounts, kubeconfig }: ControlPlaneConfig,
  clock: Clock,
) {
  if (listen === undefined || tlsCert === undefined || tlsKey === undefined) return null;
  const verify =
    sidecarToken === undefined ? tokenReviewer(kubeconfig, new Set(sidecarAccounts)) : tokenFileVerifier(sidecarToken);
  return { address: listen, certFile: tlsCert, keyFile: tlsKey, verify: cachedVerifier(verify, clock) };
}

/** The library is loaded when the first sidecar calls. */
function tokenReviewer(kubeconfig: string | undefined, serviceAccounts: ReadonlySet<string>): VerifyToken {
  let verifier: Promise<VerifyToken> | null = null;
  return async (token) => {
    verifier ??= createKubernetesApi(kubeconfig).then((api) => tokenReviewVerifier({ api, serviceAccounts }));
    return (await verifier)(token);
  };
}

/** Only its owner looks into the data folder. */
function folder(path: string): Component {
  return {
    async start() {
      await mkdir(path, { recursive: true, mode: 0o700 });
    },
  };
}

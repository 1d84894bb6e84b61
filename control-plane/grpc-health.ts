/** The standard gRPC health service for the whole server. */
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js';

import { HealthCheckResponse_ServingStatus as Serving, type HealthServer, HealthService } from '#proto';

type ServingName = 'SERVING' | 'NOT_SERVING';
type Watcher = Parameters<HealthServer['watch']>[0];

export interface HealthPart {
  readonly service: {
    readonly definition: typeof HealthService;
    readonly implementation: UntypedServiceImplementation;
  };
  /** Tells every watcher. NOT_SERVING before the first call. */
  set(name: ServingName): void;
}

/** Knows the server as a whole (service ''); any other name is NOT_FOUND for Check and SERVICE_UNKNOWN for Watch. */
export function createHealthService(): HealthPart {
  const watchers = new Set<Watcher>();
  let current: ServingName = 'NOT_SERVING';

  const handlers: HealthServer = {
    check({ request }, reply) {
      if (request.service === '') reply(null, { status: Serving[current] });
      else reply({ code: status.NOT_FOUND, details: `service ${request.service} is not known here` });
    },
    watch(call) {
      if (call.request.service !== '') {
        call.write({ status: Serving.SERVICE_UNKNOWN });
        return;
      }
      watchers.add(call);
      call.once('close', () => watchers.delete(call)).once('cancelled', () => watchers.delete(call));
      call.write({ status: Serving[current] });
    },
  };
  return {
    service: { definition: HealthService, implementation: { ...handlers } },
    set(name) {
      if (name === current) return;
      current = name;
      for (const watcher of watchers) watcher.write({ status: Serving[name] });
    },
  };
}

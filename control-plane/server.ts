/** The gRPC server on a Unix socket, and the one place where errors become gRPC statuses. */
import { chmod, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';

import {
  experimental,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

import { AppError, type Component, ERROR_CODES, errorText, type Log } from '#core';

import { createHealthService } from './grpc-health.ts';
import { unauthenticated } from './identity/authenticate.ts';
import { listenOnNetwork, type NetworkOptions } from './network.ts';

/** One service with its handlers; `createClaimService` and its like make them. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export interface GrpcServerOptions {
  /** `unix:/absolute/path`. */
  readonly address: string;
  /** The port for other machines; missing: there is none. */
  readonly network?: NetworkOptions | null;
  readonly services: readonly GrpcService[];
  readonly log: Log;
}

export interface GrpcServer extends Component {
  /** The port that the network's address got; 0: none. */
  readonly networkPort: number;
}

const LIMITS = {
  'grpc.max_receive_message_length': 16 * 2 ** 20,
  // As much as a sidecar takes.
  'grpc.max_send_message_length': 64 * 2 ** 20,
  'grpc.max_concurrent_streams': 1_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
} as const;

/** Statuses of what went wrong on our side. */
const OUR_FAULTS: ReadonlySet<number> = new Set([status.INTERNAL, status.UNAVAILABLE]);

/** Longest path that fits a socket address on Linux. */
const MAX_SOCKET_PATH = 107;

/**
 * Listens from `start` on; health answers SERVING between `start` and `drain`. `start` rejects with POLICY_REFUSED for an
 * address that needs TLS, STATE_ILLEGAL when a living process has the socket, CONFIG_INVALID for a path that cannot be one.
 */
export function createGrpcServer({ address, network, services, log }: GrpcServerOptions): GrpcServer {
  const server = new Server(LIMITS);
  const health = createHealthService();
  for (const { definition, implementation } of [health.service, ...services])
    server.addService(definition, implementation);
  let listeningAt: string | null = null;
  let networkPort = 0;

  return {
    get networkPort() {
      return networkPort;
    },
    async start() {
      const path = socketPath(address);
      await listen(server, path);
      listeningAt = path;
      if (network) networkPort = await listenOnNetwork(server, network, log);
      health.set('SERVING');
      log.info({ address, ...(network ? { network: network.address, port: networkPort } : {}) }, 'listening');
    },
    async drain() {
      health.set('NOT_SERVING');
    },
    async stop() {
      health.set('NOT_SERVING');
      server.forceShutdown();
      if (listeningAt !== null) await rm(listeningAt, { force: true });
      listeningAt = null;
    },
  };
}

/** What the caller is told. The caller's faults are logged at debug, our own at error. */
export function statusOf(error: unknown, log: Log): { readonly code: number; readonly details: string } {
  const known = error instanceof AppError ? error.code : null;
  const code: number = known === null ? status.INTERNAL : ERROR_CODES[known].grpc;
  const fields = {
    code: known,
    error: errorText(error),
    ...(known === null && error instanceof Error ? { stack: error.stack } : {}),
  };
  if (OUR_FAULTS.has(code)) log.error(fields, 'call failed');
  else log.debug(fields, 'call refused');
  return { code, details: known === null ? 'internal error' : errorText(error) };
}

/** Ends a streaming call with the status of `error`; what was written before still arrives. */
export function endWithError(call: NodeJS.EventEmitter, error: unknown, log: Log): void {
  const ending = statusOf(error, log);
  call.emit('error', Object.assign(new Error(ending.details), ending));
}

function socketPath(address: string): string {
  if (!address.startsWith('unix:')) {
    const reason = 'needs TLS and a credential (--listen, --tls-cert, --tls-key)';
    throw new AppError('POLICY_REFUSED', `listening on ${address} ${reason}; expected unix:/path`);
  }
  const path = address.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
  if (!path.startsWith('/')) throw new AppError('CONFIG_INVALID', `socket path "${path}" is not absolute`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new AppError('CONFIG_INVALID', `socket path ${path} is longer than ${MAX_SOCKET_PATH} bytes`);
  }
  return path;
}

/** Binds in a private folder and moves the socket into place, so that it never exists with another mode than 0600. */
async function listen(server: Server, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await refuseOccupied(path);
  const folder = await mkdtemp(join(dirname(path), '.t'));
  const bound = join(folder, 's');
  try {
    await bind(server, bound);
    await chmod(bound, 0o600);
    await rename(bound, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const local = experimental.createServerCredentialsWithInterceptors(ServerCredentials.createInsecure(), [
      unauthenticated,
    ]);
    server.bindAsync(`unix:${path}`, local, (error) => {
      if (error)
        reject(new AppError('PLUGIN_START_FAILED', `cannot listen on ${path}: ${error.message}`, { cause: error }));
      else resolve();
    });
  });
}

/** A socket that nobody answers on is left of a dead process and will be replaced. */
async function refuseOccupied(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (!found) return;
  if (!found.isSocket()) throw new AppError('CONFIG_INVALID', `${path} exists and is no socket`);
  if (await isAnswered(path)) throw new AppError('STATE_ILLEGAL', `socket ${path} is in use by a running process`);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The reading half of a streaming call whose requests stay bytes. */
export type RequestStream = NodeJS.EventEmitter & { pause(): unknown; resume(): unknown };

/** A request as its type decodes it; MESSAGE_INVALID when the bytes are none. */
export function decodeRequest<T>(type: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return type.decode(bytes);
  } catch (cause) {
    throw new AppError('MESSAGE_INVALID', `request cannot be decoded: ${errorText(cause)}`, { cause });
  }
}

/**
 * Hands over one request after the other; `receive` holds up the next until it resolves. Resolves when the caller has
 * ended or cancelled; rejects with what `receive` threw. (Iterating over the call would destroy it before its status left.)
 */
export function readRequests(call: RequestStream, receive: (bytes: Buffer) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const readOn = (): void => void call.resume();
    call.on('data', (bytes: Buffer) => {
      call.pause();
      receive(bytes).then(readOn, reject);
    });
    call.once('end', resolve);
    call.once('cancelled', resolve);
  });
}

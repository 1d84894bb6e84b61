import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import {
  AppError,
  Choice,
  Duration,
  type Infer,
  LEASE_NAME,
  parseArguments,
  parseConfig,
  LISTEN_ADDRESS,
  Type,
} from '#core';

/** What a control plane is started with. Every default is here and nowhere else. */
export const ControlPlaneConfig = Type.Object(
  {
    data: Type.String({ minLength: 1, description: 'Folder of everything that is kept.' }),
    hooks: Type.Optional(Type.String({ minLength: 1, description: 'Directory of hooks.' })),
    kubernetes: Type.Optional(Type.Boolean({ description: 'Hooks are read from the API server, too.' })),
    grants: Type.Optional(Type.String({ pattern: '^/', description: 'What hooks of other namespaces may do beyond.' })),
    api: Type.String({
      default: '127.0.0.1:7411',
      description: 'Loopback address of the HTTP API; port 0: any free one.',
    }),
    retention: Duration({ default: '7d', minimum: '1m', description: 'How long events are kept.' }),
    listen: Type.Optional(
      Type.String({
        pattern: LISTEN_ADDRESS,
        'x-expected': 'host:port',
        description: 'Address for sidecars of other machines; needs TLS and a credential.',
      }),
    ),
    tlsCert: Type.Optional(Type.String({ pattern: '^/', description: 'PEM file of the certificate of `listen`.' })),
    tlsKey: Type.Optional(Type.String({ pattern: '^/', description: 'PEM file of its key.' })),
    sidecarToken: Type.Optional(
      Type.String({
        pattern: '^/',
        description: 'File with the token of every sidecar, where there is no Kubernetes.',
      }),
    ),
    sidecarAccounts: Type.Optional(
      Type.Array(Type.String({ pattern: '^[^:]+:[^:]+$', 'x-expected': 'namespace:name' }), {
        minItems: 1,
        description: 'Service accounts whose projected tokens prove the node of a sidecar.',
      }),
    ),
    kubeconfig: Type.Optional(
      Type.String({ pattern: '^/', description: "Where the API server is; default: the pod's service account." }),
    ),
    probes: Type.Optional(
      Type.String({
        pattern: LISTEN_ADDRESS,
        'x-expected': 'host:port',
        description: 'Address of /healthz, /readyz and /metrics. Default: none.',
      }),
    ),
    lease: Type.Optional(
      Type.String({
        pattern: LEASE_NAME,
        'x-expected': 'namespace/name',
        description:
          'Lease by which one of several control planes is elected; the others stand by. Default: no election.',
      }),
    ),
    log: Choice(['debug', 'info', 'warn', 'error'], { default: 'info', description: 'Log level.' }),
  },
  { additionalProperties: false },
);
export type ControlPlaneConfig = Infer<typeof ControlPlaneConfig>;

export const USAGE = `Usage: trotline control-plane [--hooks DIR] [--kubernetes yes] [options]

  --hooks DIR       directory of hooks, read again on every change
  --data DIR        folder of everything that is kept (default: TROTLINE_DATA, or the user's state folder)
  --api ADDRESS     loopback address of the HTTP API (default: 127.0.0.1:7411)
  --listen ADDRESS  host:port, or :port, for sidecars of other machines: needs --tls-cert, --tls-key and one of the next two
  --tls-cert FILE, --tls-key FILE
                    PEM files, read again when they change
  --sidecar-accounts LIST
                    service accounts of sidecars, namespace:name with commas between: their tokens prove their node
  --sidecar-token FILE
                    one token for all sidecars, where there is no Kubernetes
  --kubernetes yes  hooks are EventHooks and khook's Hooks of the API server, beside those of --hooks
  --grants FILE     what hooks of other namespaces than trotline may do beyond their own
  --kubeconfig FILE where the API server is (default: the pod's service account)
  --lease NAMESPACE/NAME
                    of several control planes with one data folder, the one that holds this Lease works
  --probes ADDRESS  host:port of /healthz, /readyz and /metrics (default: none)
  --retention TIME  how long events are kept (default: 7d)
  --log LEVEL       debug, info, warn or error (default: info)

KAGENT_BASE_URL (or KAGENT_API_URL), KAGENT_USER_ID and KAGENT_API_KEY say where this cluster's kagent is.

Examples:
  trotline control-plane --hooks /etc/trotline/hooks
  trotline control-plane --kubernetes yes --listen 0.0.0.0:7412 --tls-cert tls.crt --tls-key tls.key --sidecar-accounts trotline:sidecar
  trotline control-plane --hooks ./hooks --data /tmp/trotline --api 127.0.0.1:0
`;

/** Reads the command line. Null: help was asked for. Throws USAGE or a ConfigError. */
export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): ControlPlaneConfig | null {
  const values = parseArguments(argv, [
    'data',
    'hooks',
    'kubernetes',
    'grants',
    'api',
    'listen',
    'tls-cert',
    'tls-key',
    'sidecar-accounts',
    'sidecar-token',
    'kubeconfig',
    'lease',
    'probes',
    'retention',
    'log',
  ]);
  if (!values) return null;
  const {
    data,
    hooks,
    'tls-cert': tlsCert,
    'tls-key': tlsKey,
    'sidecar-accounts': accounts,
    'sidecar-token': sidecarToken,
    kubeconfig,
    kubernetes,
    grants,
    ...rest
  } = values;
  if (kubernetes !== undefined && kubernetes !== 'yes' && kubernetes !== 'no')
    throw new AppError('USAGE', `--kubernetes ${kubernetes} is neither yes nor no (see --help)`);
  if (hooks === undefined && kubernetes !== 'yes')
    throw new AppError('USAGE', '--hooks is missing, expected a directory, or --kubernetes yes (see --help)');
  const network = {
    tlsCert: tlsCert && resolve(tlsCert),
    tlsKey: tlsKey && resolve(tlsKey),
    sidecarToken: sidecarToken && resolve(sidecarToken),
    kubeconfig: kubeconfig && resolve(kubeconfig),
    sidecarAccounts: accounts?.split(','),
    kubernetes: kubernetes === 'yes' || undefined,
    grants: grants && resolve(grants),
  };
  const config = parseConfig(
    ControlPlaneConfig,
    { ...rest, ...network, hooks: hooks && resolve(hooks), data: dataFolder(data, env) },
    'command line',
  );
  checkNetwork(config);
  return config;
}

/** Nobody listens on the network without TLS and a credential (design section 5). */
function checkNetwork({ listen, tlsCert, tlsKey, sidecarToken, sidecarAccounts }: ControlPlaneConfig): void {
  if (listen === undefined) return;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new AppError('USAGE', `--listen ${listen} needs TLS: --tls-cert and --tls-key (see --help)`);
  if ((sidecarToken === undefined) === (sidecarAccounts === undefined))
    throw new AppError(
      'USAGE',
      `--listen ${listen} needs one credential: --sidecar-accounts or --sidecar-token (see --help)`,
    );
}

/** Where everything is kept: as told, else `TROTLINE_DATA`, else root's or the user's state folder. */
export function dataFolder(
  told: string | undefined,
  env: NodeJS.ProcessEnv,
  isRoot = process.getuid?.() === 0,
): string {
  const chosen = told ?? env.TROTLINE_DATA;
  if (chosen !== undefined && chosen !== '') return resolve(chosen);
  if (isRoot) return '/var/lib/trotline';
  const state = env.XDG_STATE_HOME;
  return join(state !== undefined && state.startsWith('/') ? state : join(homedir(), '.local', 'state'), 'trotline');
}

/** The files of a data folder. */
export function dataFiles(data: string): DataFiles {
  return {
    database: join(data, 'control-plane', 'trotline.db'),
    socket: join(data, 'control-plane.sock'),
    apiAddress: join(data, 'api.json'),
    token: join(data, 'token'),
    logs: join(data, 'logs'),
    sidecar: join(data, 'sidecar'),
  };
}

export interface DataFiles {
  readonly database: string;
  /** gRPC, for sidecars of this machine. */
  readonly socket: string;
  readonly apiAddress: string;
  readonly token: string;
  readonly logs: string;
  readonly sidecar: string;
}

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { AppError, Choice, Duration, type Infer, parseArguments, parseConfig, Type } from '#core';

/** What a control plane is started with. Every default is here and nowhere else. */
export const ControlPlaneConfig = Type.Object(
  {
    data: Type.String({ minLength: 1, description: 'Folder of everything that is kept.' }),
    hooks: Type.String({ minLength: 1, description: 'Directory of hooks.' }),
    api: Type.String({
      default: '127.0.0.1:7411',
      description: 'Loopback address of the HTTP API; port 0: any free one.',
    }),
    retention: Duration({ default: '7d', minimum: '1m', description: 'How long events are kept.' }),
    log: Choice(['debug', 'info', 'warn', 'error'], { default: 'info', description: 'Log level.' }),
  },
  { additionalProperties: false },
);
export type ControlPlaneConfig = Infer<typeof ControlPlaneConfig>;

export const USAGE = `Usage: trotline control-plane --hooks DIR [options]

  --hooks DIR       directory of hooks, read again on every change
  --data DIR        folder of everything that is kept (default: TROTLINE_DATA, or the user's state folder)
  --api ADDRESS     loopback address of the HTTP API (default: 127.0.0.1:7411)
  --retention TIME  how long events are kept (default: 7d)
  --log LEVEL       debug, info, warn or error (default: info)

Examples:
  trotline control-plane --hooks /etc/trotline/hooks
  trotline control-plane --hooks ./hooks --data /tmp/trotline --api 127.0.0.1:0
`;

/** Reads the command line. Null: help was asked for. Throws USAGE or a ConfigError. */
export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): ControlPlaneConfig | null {
  const values = parseArguments(argv, ['data', 'hooks', 'api', 'retention', 'log']);
  if (!values) return null;
  const { data, hooks, ...rest } = values;
  if (hooks === undefined) throw new AppError('USAGE', '--hooks is missing, expected a directory (see --help)');
  return parseConfig(
    ControlPlaneConfig,
    { ...rest, hooks: resolve(hooks), data: dataFolder(data, env) },
    'command line',
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

import { hostname } from 'node:os';
import { resolve } from 'node:path';

import { AppError, Choice, type Infer, parseArguments, parseConfig, LISTEN_ADDRESS, Type } from '#core';

/** What a sidecar is started with. */
export const SidecarOptions = Type.Object(
  {
    controlPlane: Type.String({
      minLength: 1,
      description: 'Address of the control plane: unix:/path/to.sock, or host:port with `ca` and `token`.',
    }),
    ca: Type.Optional(
      Type.String({ pattern: '^/', description: "PEM file of the authorities of the control plane's certificate." }),
    ),
    token: Type.Optional(Type.String({ pattern: '^/', description: 'File with the token that proves who we are.' })),
    data: Type.String({ pattern: '^/', description: 'Folder of the journal, the last good config and the identity.' }),
    node: Type.String({ minLength: 1, maxLength: 253, description: 'Name of this node.' }),
    policy: Type.Optional(Type.String({ pattern: '^/', description: 'Policy file of the node.' })),
    sources: Type.Optional(Type.String({ pattern: '^/', description: 'Sources file of the node.' })),
    upHooks: Type.Optional(
      Type.String({ pattern: '^/', description: 'Hook directory of `trotline up`, whose scripts may run.' }),
    ),
    upImages: Type.Optional(
      Type.String({
        description: 'Registries and repositories, with commas between, whose images `trotline up` may run.',
      }),
    ),
    bundles: Type.Optional(
      Type.String({ pattern: '^/', description: 'Folder of unpacked images. Default: bundles in the data folder.' }),
    ),
    registryCredentials: Type.Optional(
      Type.String({ pattern: '^/', description: "docker's config.json with the credentials of registries." }),
    ),
    registryCa: Type.Optional(
      Type.String({ pattern: '^/', description: 'PEM file of authorities of registries, beside the well-known ones.' }),
    ),
    probes: Type.Optional(
      Type.String({
        pattern: LISTEN_ADDRESS,
        'x-expected': 'host:port',
        description: 'Address of /healthz, /readyz and /metrics. Default: none.',
      }),
    ),
    journalSync: Choice(['none', 'full'], {
      default: 'none',
      description: 'full: durable also against power loss.',
    }),
    journalMaxBytes: Type.Integer({
      default: 1 << 30,
      minimum: 1 << 20,
      description: 'Nothing new is taken in beyond this.',
    }),
    journalSegmentBytes: Type.Integer({ default: 8 << 20, minimum: 65_536, description: 'Size of one journal file.' }),
    verdicts: Choice(['enforce', 'audit', 'off'], {
      default: 'enforce',
      description: 'audit: what hooks say to agents is recorded, and no agent is told; off: no hook is asked.',
    }),
    maxPayload: Type.Optional(
      Type.Integer({
        minimum: 1000,
        maximum: 1_000_000,
        description: 'Default of the agent source: characters of one part that are kept of an event.',
      }),
    ),
    drainMs: Type.Integer({ default: 10_000, minimum: 0, description: 'Deadline of the drain, milliseconds.' }),
  },
  { additionalProperties: false },
);
export type SidecarOptions = Infer<typeof SidecarOptions>;

export function parseSidecarOptions(input: unknown): SidecarOptions {
  return parseConfig(SidecarOptions, input, 'sidecar options');
}

export const USAGE = `Usage: trotline sidecar --control-plane ADDRESS --data DIR [options]

  --control-plane ADDRESS  where the control plane listens: unix:/path/to.sock, or host:port with the next two
  --ca FILE                PEM file of the authorities of its certificate, read again when it changes
  --token FILE             the token that proves our node: a projected one, or that of all sidecars
  --data DIR               folder of the journal, the last good hooks and the sidecar's id
  --node NAME              name of this node (default: NODE_NAME, or the host's name)
  --policy FILE            what hooks may do on this node (default: no programs, open internet only)
  --sources FILE           what the sources hear on this node (default: all, as documented)
  --bundles DIR            where images of hooks are unpacked (default: bundles in the data folder)
  --registry-credentials FILE, --registry-ca FILE
                           docker's config.json, and a PEM file of authorities, for the registries of images
  --up-hooks DIR           the policy of \`trotline up\`: programs in DIR, shell text, every destination
  --up-images LIST         and images of these registries or repositories, with commas between
  --probes ADDRESS         host:port of /healthz, /readyz and /metrics (default: none)
  --journal-sync MODE      none, or full: durable also against power loss (default: none)

HOOK_SECURITY_VALIDATION_ENABLED=false: no hook is asked what agents may do. HOOK_DANGEROUS_COMMAND_BLOCKING=false:
what hooks say is recorded, and no agent is told. HOOK_MAX_PAYLOAD_SIZE: characters of a part that are kept.

Examples:
  trotline sidecar --control-plane unix:/run/trotline/control-plane.sock --data /var/lib/trotline/sidecar
  trotline sidecar --control-plane unix:/tmp/t/control-plane.sock --data /tmp/t/sidecar --sources sources.yaml
`;

/** Reads the command line. Null: help was asked for. Throws USAGE or a ConfigError. */
export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): SidecarOptions | null {
  const values = parseArguments(argv, [
    'control-plane',
    'ca',
    'token',
    'data',
    'node',
    'policy',
    'sources',
    'up-hooks',
    'up-images',
    'bundles',
    'registry-credentials',
    'registry-ca',
    'probes',
    'journal-sync',
  ]);
  if (!values) return null;
  const {
    'control-plane': controlPlane,
    ca,
    token,
    data,
    node,
    policy,
    sources,
    'up-hooks': upHooks,
    'up-images': upImages,
    bundles,
    'registry-credentials': registryCredentials,
    'registry-ca': registryCa,
    probes,
    'journal-sync': journalSync,
  } = values;
  if (controlPlane === undefined)
    throw new AppError('USAGE', '--control-plane is missing, expected unix:/path/to.sock (see --help)');
  if (data === undefined) throw new AppError('USAGE', '--data is missing, expected a folder (see --help)');
  return parseSidecarOptions({
    controlPlane,
    ca: ca && resolve(ca),
    token: token && resolve(token),
    data: resolve(data),
    node: node ?? (env.NODE_NAME || hostname()),
    policy: policy && resolve(policy),
    sources: sources && resolve(sources),
    upHooks: upHooks && resolve(upHooks),
    upImages,
    bundles: bundles && resolve(bundles),
    registryCredentials: registryCredentials && resolve(registryCredentials),
    registryCa: registryCa && resolve(registryCa),
    probes,
    journalSync,
    ...fromEnvironment(env),
  });
}

/** LeanVibe's variables (spec leanvibe B7, L12, L33). Throws USAGE for a value that is none. */
function fromEnvironment(env: NodeJS.ProcessEnv): Pick<SidecarOptions, 'verdicts' | 'maxPayload'> {
  const isAsked = switchIn(env, 'HOOK_SECURITY_VALIDATION_ENABLED');
  const isTold = switchIn(env, 'HOOK_DANGEROUS_COMMAND_BLOCKING');
  const payload = env.HOOK_MAX_PAYLOAD_SIZE ?? '';
  if (!/^\d*$/.test(payload))
    throw new AppError('USAGE', `HOOK_MAX_PAYLOAD_SIZE is ${JSON.stringify(payload)}, expected a number of characters`);
  return {
    verdicts: !isAsked ? 'off' : isTold ? 'enforce' : 'audit',
    ...(payload === '' ? {} : { maxPayload: Number(payload) }),
  };
}

function switchIn(env: NodeJS.ProcessEnv, name: string): boolean {
  const value = (env[name] ?? '').toLowerCase();
  if (['', 'true', '1', 'yes', 'on'].includes(value)) return true;
  if (['false', '0', 'no', 'off'].includes(value)) return false;
  throw new AppError('USAGE', `${name} is ${JSON.stringify(env[name])}, expected true or false`);
}

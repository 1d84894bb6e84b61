/** What this node allows whatever the control plane says: the policy file, set at deployment (design section 8). */
import { resolve } from 'node:path';

import { AppError, checkConfig, Choice, ConfigError, Duration, isImagePrefix, type Issue, Type } from '#core';

import { onlyDocument, readConfigFile } from './config-file.ts';
import { isDestination } from './destinations.ts';

const closed = { additionalProperties: false } as const;

/** The file. A missing key has the strictest value, but for `actions`. */
export const NodePolicyFile = Type.Object(
  {
    version: Type.Literal(1, { description: 'Of this format.' }),
    actions: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]*$' }), {
        description: 'Types of actions that hooks may use here; missing: all that are built in.',
      }),
    ),
    script: Type.Object(
      {
        directories: Type.Array(Type.String({ pattern: '^/' }), {
          default: [],
          description: 'Programs are in or below one of these; empty: none may run.',
        }),
        users: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description: 'What `user` of a script may say, letter for letter: `nobody`, `nobody:nogroup`.',
        }),
        shell: Type.Boolean({ default: false, description: 'Whether shell text of nlmon documents runs.' }),
        writable: Choice(['refuse', 'warn'], {
          default: 'refuse',
          description: "When others than root and the sidecar's user could change a program.",
        }),
      },
      { ...closed, default: {}, description: 'What the script action may run.' },
    ),
    webhook: Type.Object(
      {
        allow: Type.Array(Type.String(), {
          default: [],
          description: 'Destinations beside the open internet: CIDR, address or host name.',
        }),
      },
      { ...closed, default: {}, description: 'Where the webhook action may connect to.' },
    ),
    bundles: Type.Object(
      {
        allow: Type.Array(Type.String(), {
          default: [],
          description:
            'Registries, or repositories and what is below them, whose images hooks may run: `ghcr.io/acme`.',
        }),
        digestOnly: Type.Boolean({
          default: false,
          description:
            'Whether an image has to be named by its digest: a tag is what the registry says at the first pull.',
        }),
        insecure: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description: 'Registries, `host` or `host:port`, that are spoken to without TLS. Loopback may always be.',
        }),
        unusedFor: Duration({
          default: '30d',
          minimum: '1h',
          description: 'An image that no hook used for so long is removed.',
        }),
        maxBytes: Type.Integer({
          default: 2 ** 31,
          minimum: 2 ** 20,
          description: 'Beyond this the images that were used least are removed, but for those of running hooks.',
        }),
      },
      { ...closed, default: {}, description: 'OCI images whose programs the script action may run.' },
    ),
  },
  closed,
);

export interface NodePolicy {
  /** Types of actions; null: all that are built in. */
  readonly actions: readonly string[] | null;
  readonly script: {
    /** Absolute. */
    readonly directories: readonly string[];
    readonly users: readonly string[];
    readonly shell: boolean;
    readonly writable: 'refuse' | 'warn';
  };
  readonly webhook: { readonly allow: readonly string[] };
  readonly bundles: {
    readonly allow: readonly string[];
    readonly digestOnly: boolean;
    readonly insecure: readonly string[];
    readonly unusedFor: number;
    readonly maxBytes: number;
  };
}

/** Without a file: every built-in action, no program, and webhooks to the open internet alone. */
export const DEFAULT_POLICY: NodePolicy = parsePolicy('version: 1', 'default policy');

/** Throws a ConfigError with every problem, each with its line. */
export async function readPolicy(path: string): Promise<NodePolicy> {
  return parsePolicy(await readConfigFile(path), path);
}

/** As `readPolicy`, of a text; `file` is how issues call it. */
export function parsePolicy(text: string, file: string): NodePolicy {
  const document = onlyDocument(text, file);
  const { value, issues } = checkConfig(NodePolicyFile, document.value);
  const all = [...issues, ...destinationIssues(value?.webhook.allow ?? []), ...imageIssues(value?.bundles.allow ?? [])];
  if (value === null || all.length > 0)
    throw new ConfigError(
      file,
      all.map((issue) => document.place(issue)),
    );
  const { actions = null, script, webhook, bundles } = value;
  return { actions, script, webhook, bundles };
}

export interface PolicyForUpOptions {
  readonly hooksDirectory: string;
  /** The calling user's name. */
  readonly user: string;
  /** As `bundles.allow`. */
  readonly images?: readonly string[];
}

/** The policy of `trotline up`: one person's machine, whose hooks are that person's own (design section 8). */
export function policyForUp({ hooksDirectory, user, images = [] }: PolicyForUpOptions): NodePolicy {
  return {
    actions: null,
    script: { directories: [resolve(hooksDirectory)], users: [user], shell: true, writable: 'warn' },
    webhook: { allow: ['0.0.0.0/0', '::/0'] },
    bundles: { ...DEFAULT_POLICY.bundles, allow: images },
  };
}

/** `ghcr.io/acme,registry.example.com` as `bundles.allow`. Throws USAGE. */
export function imagesOf(list = ''): string[] {
  const images = list.split(',').filter((entry) => entry !== '');
  const wrong = images.find((entry) => !isImagePrefix(entry));
  if (wrong === undefined) return images;
  throw new AppError('USAGE', `${JSON.stringify(wrong)} is no registry and no repository, expected like ghcr.io/acme`);
}

/** Whether hooks may use this type of action here; `builtins` are the types that came with the sidecar. */
export function allowsAction({ actions }: NodePolicy, type: string, builtins: readonly string[]): boolean {
  return (actions ?? builtins).includes(type);
}

function destinationIssues(allow: readonly string[]): Issue[] {
  return allow.flatMap((entry, index) => {
    if (isDestination(entry)) return [];
    const message = `${JSON.stringify(entry)} is no destination`;
    return [{ path: `/webhook/allow/${index}`, message, expected: 'a CIDR, an address or a host name' }];
  });
}

function imageIssues(allow: readonly string[]): Issue[] {
  return allow.flatMap((entry, index) => {
    if (isImagePrefix(entry)) return [];
    const message = `${JSON.stringify(entry)} is no registry and no repository`;
    return [{ path: `/bundles/allow/${index}`, message, expected: 'like ghcr.io or ghcr.io/acme, with its registry' }];
  });
}

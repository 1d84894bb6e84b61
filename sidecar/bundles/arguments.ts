/** `trotline bundles`: how it is asked. */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { AppError, errorText, type ImageReference, parseImage } from '#core';

export const USAGE = `Usage: trotline bundles pull IMAGE [--to DIR] [options]
       trotline bundles list [options]
       trotline bundles verify [DIGEST] [options]

Images with programs of hooks: pulled, verified and unpacked without a container runtime. list and verify are about a cache; pull puts
the image into it, or with --to its files into a folder (an init container does that for agents' pods).

  --to DIR            the image's files, read-only; what is there is replaced at once, or not at all
  --cache DIR         the cache (default: bundles in the sidecar's data folder; with --to: none is kept)
  --credentials FILE  docker's config.json (or a Secret of type kubernetes.io/dockerconfigjson)
  --ca FILE           PEM of the authorities of registries
  --insecure HOST     speak plain HTTP with it; may be repeated. Loopback may always
  --refresh           ask what a tag is now, although it is in the cache
  -o json             the answer as JSON
  -h, --help          this text

Examples:
  trotline bundles pull ghcr.io/acme/hooks@sha256:… --to /hooks/acme
  trotline bundles verify --cache /var/lib/trotline/sidecar/bundles
`;

interface Common {
  readonly cache: string | null;
  readonly credentials: string | null;
  readonly ca: string | null;
  readonly insecure: readonly string[];
  readonly json: boolean;
}

export type Asked =
  | (Common & {
      readonly verb: 'pull';
      readonly image: ImageReference;
      readonly to: string | null;
      readonly refresh: boolean;
    })
  | (Common & { readonly verb: 'list' })
  /** `digest` null: every bundle. */
  | (Common & { readonly verb: 'verify'; readonly digest: string | null });

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Null: help was asked for. Throws USAGE and CONFIG_INVALID (no image). */
export function readBundleArguments(argv: readonly string[], dataFolder: string): Asked | null {
  const { values, positionals } = parsed(argv);
  if (values.help) return null;
  const [verb, ...words] = positionals;
  if (values.output !== undefined && values.output !== 'json' && values.output !== 'text')
    throw new AppError('USAGE', `--output is ${JSON.stringify(values.output)}, expected text or json`);
  const isKept = verb !== 'pull' || values.to === undefined || values.cache !== undefined;
  const common: Common = {
    cache: isKept ? resolve(values.cache ?? join(dataFolder, 'bundles')) : null,
    credentials: values.credentials === undefined ? null : resolve(values.credentials),
    ca: values.ca === undefined ? null : resolve(values.ca),
    insecure: values.insecure ?? [],
    json: values.output === 'json',
  };
  if (verb === 'pull') {
    const image = parseImage(only(words, 'image'));
    return {
      ...common,
      verb,
      image,
      to: values.to === undefined ? null : resolve(values.to),
      refresh: values.refresh === true,
    };
  }
  if (values.to !== undefined || values.refresh === true)
    throw new AppError('USAGE', '--to and --refresh are for pull alone');
  if (verb === 'list' && words.length === 0) return { ...common, verb };
  if (verb === 'verify') {
    const digest = words.length === 0 ? null : only(words, 'digest');
    if (digest !== null && !DIGEST.test(digest))
      throw new AppError('USAGE', `${JSON.stringify(digest)} is no digest, expected sha256:<64 hex digits>`);
    return { ...common, verb, digest };
  }
  const what = verb === undefined ? 'nothing' : JSON.stringify([verb, ...words].join(' '));
  throw new AppError('USAGE', `${what} is to be done, expected pull, list or verify (see --help)`);
}

function only(words: readonly string[], what: string): string {
  const [word, ...more] = words;
  if (word !== undefined && more.length === 0) return word;
  throw new AppError('USAGE', `${words.length} ${what}s are given, expected one (see --help)`);
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        to: { type: 'string' },
        cache: { type: 'string' },
        credentials: { type: 'string' },
        ca: { type: 'string' },
        insecure: { type: 'string', multiple: true },
        refresh: { type: 'boolean' },
        output: { type: 'string', short: 'o' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new AppError('USAGE', `${errorText(error)} (see --help)`);
  }
}

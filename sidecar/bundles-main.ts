/** `trotline bundles`: images with programs of hooks, for caches and for init containers. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AppError, ConfigError, createLog, errorText, oneLine, systemClock } from '#core';

import { type Asked, readBundleArguments, USAGE } from './bundles/arguments.ts';
import { BundleCache, type ListedBundle } from './bundles/cache.ts';
import type { PullProgress } from './bundles/image.ts';
import { LIMITS } from './bundles/limits.ts';
import { removeTree } from './bundles/make.ts';
import { nodePlatform } from './bundles/manifest.ts';
import { placeAt } from './bundles/place.ts';

/** Where sidecars of images keep their data; a sidecar of `trotline up` has another place, which is given then. */
const DATA = '/var/lib/trotline/sidecar';
const MEGABYTE = 1_000_000;

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stopped.abort(new AppError('STATE_ILLEGAL', `stopped by ${signal}`)));

function cacheAt(folder: string, { credentials, ca, insecure }: Asked): BundleCache {
  return new BundleCache({
    folder,
    settings: { credentials, ca, insecure },
    limits: LIMITS,
    platform: nodePlatform(),
    clock: systemClock,
    log: createLog('warn', 2),
  });
}

/** On a terminal one line that grows; elsewhere one a layer. */
function progressTo(stream: NodeJS.WriteStream): (progress: PullProgress) => void {
  let last = 0;
  return ({ layer, layers, bytes, totalBytes }) => {
    const text = `layer ${layer} of ${layers}, ${(bytes / MEGABYTE).toFixed(1)} of ${(totalBytes / MEGABYTE).toFixed(1)} MB`;
    if (stream.isTTY) stream.write(`\r\u001B[K${bytes < totalBytes ? text : ''}`);
    else if (layer !== last) stream.write(`${text}\n`);
    last = layer;
  };
}

async function pull(asked: Extract<Asked, { verb: 'pull' }>): Promise<string> {
  const { image, to, refresh, json } = asked;
  const own = asked.cache === null ? await mkdtemp(join(tmpdir(), 'trotline-bundles-')) : null;
  try {
    const cache = cacheAt(asked.cache ?? own ?? '', asked);
    const onProgress = progressTo(process.stderr);
    const { bundle, fetched } = await cache.pull(image, { refresh, signal: stopped.signal, onProgress });
    if (to !== null) await placeAt(bundle.root, to);
    const { digest, files, bytes } = bundle;
    const folder = to ?? bundle.root;
    if (json) return jsonText({ image: bundle.image, digest, files, bytes, fetched, folder });
    return `${folder}\n${digest}, ${files} files${fetched ? '' : ', was in the cache'}\n`;
  } finally {
    if (own !== null) await removeTree(own);
  }
}

async function list(asked: Asked, cache: BundleCache): Promise<string> {
  const bundles = await cache.list();
  if (asked.json) return jsonText(bundles.map(viewOf));
  if (bundles.length === 0) return 'no bundles\n';
  return bundles.map((bundle) => `${lineOf(bundle)}\n`).join('');
}

/** 1 where something is not what it was when it was pulled. */
async function verify(asked: Extract<Asked, { verb: 'verify' }>, cache: BundleCache): Promise<number> {
  const known = await cache.list();
  const chosen = known.filter(({ digest }) => asked.digest === null || digest === asked.digest);
  if (asked.digest !== null && chosen.length === 0)
    throw new AppError('NOT_FOUND', `there is no bundle ${asked.digest} in ${asked.cache}`);
  const found: { readonly digest: string; readonly image: string; readonly problems: readonly string[] }[] = [];
  for (const { digest, image } of chosen) found.push({ digest, image, problems: await cache.verify(digest) });
  const text = found.map(({ digest, image, problems }) => {
    const lines = problems.length === 0 ? ['as it was pulled'] : problems.map((problem) => oneLine(problem, 500));
    return `${digest} ${oneLine(image, 300)}\n${lines.map((line) => `  ${line}\n`).join('')}`;
  });
  process.stdout.write(asked.json ? jsonText(found) : text.join('') || 'no bundles\n');
  return found.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

function viewOf({ digest, image, files, bytes, usedMs, root }: ListedBundle): object {
  return { digest, image, files, bytes, used: new Date(usedMs).toISOString(), folder: root };
}

function lineOf({ digest, image, files, bytes, usedMs }: ListedBundle): string {
  const size = `${files} files, ${(bytes / MEGABYTE).toFixed(1)} MB`;
  return `${digest.slice(0, 19)}…  ${oneLine(image, 300)}  ${size}, used ${new Date(usedMs).toISOString()}`;
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

async function main(): Promise<number> {
  const asked = readBundleArguments(process.argv.slice(2), DATA);
  if (asked === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (asked.verb === 'pull') process.stdout.write(await pull(asked));
  else {
    const cache = cacheAt(asked.cache ?? '', asked);
    if (asked.verb === 'verify') return verify(asked, cache);
    process.stdout.write(await list(asked, cache));
  }
  return 0;
}

process.stdout.on('error', () => process.exit(0));
main()
  .then((code) => (process.exitCode = code))
  .catch((error: unknown) => {
    process.stderr.write(`error: ${errorText(error)}\n`);
    const isUsage =
      error instanceof ConfigError || (error instanceof AppError && ['USAGE', 'CONFIG_INVALID'].includes(error.code));
    process.exitCode = isUsage ? 2 : 1;
  });

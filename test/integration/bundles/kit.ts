import { lstat, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '#core';

import { BundleCache, type CacheOptions } from '../../../sidecar/bundles/cache.ts';
import { LIMITS } from '../../../sidecar/bundles/limits.ts';
import { removeTree } from '../../../sidecar/bundles/make.ts';
import { nodePlatform } from '../../../sidecar/bundles/manifest.ts';
import { silentLog } from '../../kit/action-context.ts';

/** As those of a node, but that nothing takes long. */
export const QUICK = { ...LIMITS, answerMs: 2000, stallMs: 300, pauseMs: 5, pullMs: 5000 };

export class Node implements AsyncDisposable {
  readonly folder: string;
  readonly cache: BundleCache;

  constructor(folder: string, options: Partial<CacheOptions> = {}) {
    this.folder = folder;
    this.cache = new BundleCache({
      folder,
      settings: { credentials: null, ca: null, insecure: [] },
      limits: QUICK,
      platform: nodePlatform(),
      clock: systemClock,
      log: silentLog,
      ...options,
    });
  }

  /** What is in the cache beside whole bundles; empty when it is clean. */
  async leftovers(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'sha256')).catch(() => []);
    return names.filter((name) => !/^[0-9a-f]{64}$/.test(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.folder);
  }
}

export async function startNode(options: Partial<CacheOptions> = {}): Promise<Node> {
  return new Node(await mkdtemp(join(tmpdir(), 'trotline-bundles-')), options);
}

/** Every path below a folder with its kind and mode: `bin/hook file 555`. */
export async function listing(folder: string, below = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(folder, below))).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const stat = await lstat(join(folder, path));
    const kind = stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'file';
    lines.push(`${path} ${kind}${kind === 'link' ? '' : ` ${(stat.mode & 0o7777).toString(8)}`}`);
    if (kind === 'folder') lines.push(...(await listing(folder, path)));
  }
  return lines;
}

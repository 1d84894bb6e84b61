/** A disk that has no room for an image, and then has. In a mount namespace of its own (`inNetns`); says two lines of JSON. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { errorText, parseImage } from '#core';

import { ip } from '../../kit/netns.ts';
import { Node } from './kit.ts';
import { layerOf, pushImage, startRegistry } from './registry.ts';

const outside = mkdtempSync(join(tmpdir(), 'trotline-disk-'));
const small = join(outside, 'small');
try {
  ip('link', 'set', 'lo', 'up');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  await using registry = await startRegistry();
  const layer = await layerOf([{ name: 'small' }, { name: 'large', content: Buffer.alloc(2 << 20, 'x') }]);
  await pushImage(registry, 'hooks', [layer]);
  const settings = { credentials: null, ca: null, insecure: [registry.host] };
  const node = new Node(join(small, 'bundles'), { settings });
  for (const size of ['1m', '8m']) {
    execFileSync('mount', ['-o', `remount,size=${size}`, small]);
    const pull = node.cache.pull(parseImage(`${registry.host}/hooks:v1`), { signal: new AbortController().signal });
    const error = await pull.then(() => null, errorText);
    const listed = await node.cache.list();
    console.log(JSON.stringify({ error, left: await node.leftovers(), listed: listed.length }));
  }
} finally {
  execFileSync('umount', ['-l', small]);
  rmSync(outside, { recursive: true, force: true });
}

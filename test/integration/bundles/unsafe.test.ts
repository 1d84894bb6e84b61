/** Images that would harm the node: refused with image, layer and entry, and nothing of them stays. */
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseImage } from '#core';
import { QUICK, startNode } from './kit.ts';
import { blobOf, layerOf, program, pushImage, startRegistry, type TestEntry, type TestRegistry } from './registry.ts';

const signal = new AbortController().signal;
const file: TestEntry = { name: 'bin/hook', mode: 0o755, content: 'x' };

/** What is refused, layer by layer; the entry that is to blame; and the reason. */
const UNSAFE: readonly (readonly [string, readonly (readonly TestEntry[])[], string, string])[] = [
  ['a path that climbs out', [[{ name: '../evil', content: 'x' }]], '../evil', 'its name leads out of the image'],
  ['one that climbs out in the middle', [[{ name: 'a/../../evil' }]], 'a/../../evil', 'its name leads out'],
  ['an absolute name', [[{ name: '/etc/cron.d/evil' }]], '/etc/cron.d/evil', 'its name is absolute'],
  [
    'a file through a symbolic link',
    [
      [
        { name: 'out', type: 'symlink', linkname: '/tmp' },
        { name: 'out/evil', content: 'x' },
      ],
    ],
    'out/evil',
    'it is below "out", which is a symbolic link',
  ],
  [
    'a file through a symbolic link of a lower layer',
    [[{ name: 'out', type: 'symlink', linkname: '..' }], [{ name: 'out/evil', content: 'x' }]],
    'out/evil',
    'it is below "out", which is a symbolic link',
  ],
  [
    'a symbolic link to the node',
    [[{ name: 'passwd', type: 'symlink', linkname: '/etc/passwd' }]],
    'passwd',
    'leads out',
  ],
  ['one that climbs out', [[{ name: 'a/b', type: 'symlink', linkname: '../../../etc/passwd' }]], 'a/b', 'leads out'],
  [
    'one that climbs out by another',
    [
      [
        { name: 'deep/er/top', type: 'symlink', linkname: '../..' },
        { name: 'deep/er/out', type: 'symlink', linkname: 'top/../etc' },
      ],
    ],
    'deep/er/out',
    'leads out',
  ],
  ['a hard link out', [[{ name: 'shadow', type: 'link', linkname: '../../etc/shadow' }]], 'shadow', 'leads out'],
  ['an absolute hard link', [[{ name: 'shadow', type: 'link', linkname: '/etc/shadow' }]], 'shadow', 'is absolute'],
  [
    'a hard link to a symbolic link',
    [
      [
        { name: 'a', type: 'symlink', linkname: 'b' },
        { name: 'c', type: 'link', linkname: 'a' },
      ],
    ],
    'c',
    'is no file of the image',
  ],
  ['setuid', [[{ ...file, mode: 0o4755 }]], 'bin/hook', 'its mode is 04755'],
  ['setgid of a folder', [[{ name: 'bin', type: 'directory', mode: 0o2755 }]], 'bin', 'its mode is 02755'],
  ['a device', [[{ name: 'dev/mem', type: 'character-device' }]], 'dev/mem', 'it is a character-device'],
  ['a block device', [[{ name: 'dev/sda', type: 'block-device' }]], 'dev/sda', 'it is a block-device'],
  ['a pipe', [[{ name: 'run/p', type: 'fifo' }]], 'run/p', 'it is a fifo'],
  ['one name twice', [[file, { ...file, name: './bin//hook', content: 'y' }]], './bin//hook', 'this name twice'],
  ['a file and a folder of one name', [[file, { name: 'bin/hook/x' }]], 'bin/hook/x', 'which is a file'],
  ['a whiteout of the folder above', [[file], [{ name: 'bin/.wh...' }]], 'bin/.wh...', 'not in its folder'],
  ['itself as a file', [[{ name: './', type: 'symlink', linkname: 'x' }]], './', 'place of the image itself'],
  [
    'too large a file',
    [[{ name: 'big', content: Buffer.alloc(QUICK.fileBytes / 2 ** 18 + 1) }]],
    'big',
    'it has 1025 bytes',
  ],
  [
    'too many bytes',
    [['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, content: Buffer.alloc(1000) }))],
    'e',
    'more than 4096 bytes',
  ],
  ['too many files', [Array.from({ length: 60 }, (_, at) => ({ name: `f${at}` }))], 'f50', 'more than 50 entries'],
  ['too deep a path', [[{ name: 'a/'.repeat(70) + 'x' }]], 'a/a/a', 'deeper than 64 folders'],
];

const limits = { ...QUICK, fileBytes: 1024, unpackedBytes: 4096, entries: 50 };

describe.skipIf(program === null)('A5: an image is refused, and nothing of it stays, that has', () => {
  let registry: TestRegistry;
  const insecure = (): { credentials: null; ca: null; insecure: string[] } => ({
    credentials: null,
    ca: null,
    insecure: [registry.host],
  });
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  it.each(UNSAFE)('%s', async (what, layers, entry, reason) => {
    const repository = what.replaceAll(' ', '-').toLowerCase();
    const digest = await pushImage(registry, repository, await Promise.all(layers.map((layer) => layerOf(layer))));
    await using node = await startNode({ limits, settings: insecure() });
    const reference = parseImage(`${registry.host}/${repository}@${digest}`);
    const refusal = await node.cache.pull(reference, { signal }).then(
      () => 'it was not refused',
      (error: unknown) => String(error),
    );
    expect(refusal).toContain(`image ${registry.host}/${repository}@${digest}: `);
    expect(refusal).toContain(`layer ${layers.length}`);
    expect(refusal).toContain(`entry ${JSON.stringify(entry).slice(0, 6)}`);
    expect(refusal).toContain(reason);
    expect(await node.leftovers()).toEqual([]);
    expect(await node.cache.list()).toEqual([]);
    expect(await node.cache.find(reference)).toBeNull();
  });

  it.each([
    ['a layer that is no tar', Buffer.from('hello'.repeat(300)), 'layer 1'],
    ['a layer that is no gzip', null, 'it is no gzip'],
    ['a layer that ends in the middle', 'cut', 'layer 1'],
    ['a layer that is a flood of zeros', gzipSync(Buffer.alloc(4 << 20)), 'it has more than 4096 bytes'],
    ['something after its gzip', 'trailing', 'gzip'],
  ])('%s', async (what, bytes, reason) => {
    const type = 'application/vnd.oci.image.layer.v1.tar+gzip';
    const good = await layerOf([{ name: 'a', content: 'a'.repeat(600) }]);
    const layer =
      bytes === 'cut'
        ? blobOf(good.bytes.subarray(0, good.size - 40), type)
        : bytes === 'trailing'
          ? blobOf(Buffer.concat([good.bytes, Buffer.alloc(1 << 20, 'x')]), type)
          : bytes === null
            ? blobOf(Buffer.from('hello'), type)
            : blobOf(typeof bytes === 'string' || bytes[0] === 0x1f ? Buffer.from(bytes) : gzipSync(bytes), type);
    const repository = what.replaceAll(' ', '-').toLowerCase();
    await pushImage(registry, repository, [layer]);
    await using node = await startNode({ limits, settings: insecure() });
    await expect(node.cache.pull(parseImage(`${registry.host}/${repository}:v1`), { signal })).rejects.toThrow(reason);
    expect(await node.leftovers()).toEqual([]);
  });

  it('a layer of a kind that nobody unpacks', async () => {
    await pushImage(registry, 'strange', [blobOf(Buffer.from('x'), 'application/vnd.acme.model')]);
    await using node = await startNode({ settings: insecure() });
    await expect(node.cache.pull(parseImage(`${registry.host}/strange:v1`), { signal })).rejects.toThrow(
      'a layer is of type "application/vnd.acme.model", expected a tar',
    );
  });
});

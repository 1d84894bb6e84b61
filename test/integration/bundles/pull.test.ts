/** Images from a real registry into the cache of a node. */
import { chmod, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseImage } from '#core';
import { listing, startNode } from './kit.ts';
import {
  ARCHITECTURE,
  blobOf,
  layerOf,
  OCI_INDEX,
  OCI_MANIFEST,
  program,
  pushImage,
  pushManifest,
  startRegistry,
  type TestRegistry,
} from './registry.ts';
import { Relay } from './relay.ts';

const signal = new AbortController().signal;

describe.skipIf(program === null)('A5: an image', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const hook = { name: 'bin/hook', mode: 0o755, content: '#!/bin/sh\necho hello\n' };

  it.each(['none', 'gzip', 'zstd'] as const)(
    'with layers (%s) is unpacked, read-only and ours',
    async (compression) => {
      const digest = await pushImage(registry, `plain-${compression}`, [
        await layerOf(
          [{ name: 'bin', type: 'directory' }, hook, { name: './etc/a.conf', content: 'a=1' }],
          compression,
        ),
      ]);
      await using node = await startNode();
      const { bundle, fetched } = await node.cache.pull(parseImage(`${registry.host}/plain-${compression}:v1`), {
        signal,
      });
      expect({ fetched, digest: bundle.digest, files: bundle.files }).toEqual({ fetched: true, digest, files: 2 });
      expect(bundle.root).toBe(join(node.folder, 'sha256', digest.slice(7), 'rootfs'));
      expect(await listing(bundle.root)).toEqual([
        'bin folder 555',
        'bin/hook file 555',
        'etc folder 555',
        'etc/a.conf file 444',
      ]);
      expect((await stat(join(bundle.root, 'bin/hook'))).uid).toBe(process.getuid?.());
      expect(await readFile(join(bundle.root, 'bin/hook'), 'utf8')).toBe(hook.content);
      expect(await node.cache.verify(digest)).toEqual([]);
    },
  );

  it('is pulled once per digest, by whatever name, and is there without the registry', async () => {
    const digest = await pushImage(registry, 'once', [await layerOf([hook])]);
    await using relay = await Relay.to(registry.host);
    await using node = await startNode();
    const byTag = parseImage(`${relay.host}/once:v1`);
    const byDigest = parseImage(`${relay.host}/once@${digest}`);
    await Promise.all([byTag, byDigest, byTag].map((reference) => node.cache.pull(reference, { signal })));
    // One layer and one configuration.
    expect(relay.count('/blobs/')).toBe(2);
    const asked = relay.asked.length;
    relay.twist = async (_request, response) => (response.destroy(), true);
    for (const reference of [byTag, byDigest]) {
      const { bundle, fetched } = await node.cache.pull(reference, { signal });
      expect([bundle.digest, fetched]).toEqual([digest, false]);
      expect((await node.cache.find(reference))?.digest).toBe(digest);
    }
    expect(relay.asked).toHaveLength(asked);
    expect(await node.cache.list()).toMatchObject([{ digest, files: 1 }]);
  });

  it('of a tag stays what it was, until it is asked anew', async () => {
    const first = await pushImage(registry, 'moves', [await layerOf([hook])]);
    await using node = await startNode();
    const reference = parseImage(`${registry.host}/moves:v1`);
    await node.cache.pull(reference, { signal });
    const second = await pushImage(registry, 'moves', [
      await layerOf([{ ...hook, content: '#!/bin/sh\necho other\n' }]),
    ]);
    expect((await node.cache.pull(reference, { signal })).bundle.digest).toBe(first);
    expect((await node.cache.pull(reference, { signal, refresh: true })).bundle.digest).toBe(second);
    expect((await node.cache.pull(reference, { signal })).bundle.digest).toBe(second);
  });

  it('of an index is the one for this node', async () => {
    const layer = await layerOf([hook]);
    const own = await pushImage(registry, 'many', [layer], { tag: null });
    const other = await pushImage(registry, 'many', [await layerOf([{ name: 'x' }])], {
      tag: null,
      architecture: 's390x',
    });
    const entry = (digest: string, architecture: string) => ({
      mediaType: OCI_MANIFEST,
      digest,
      size: 400,
      platform: { os: 'linux', architecture },
    });
    const push = (tag: string, manifests: object[]) =>
      pushManifest(registry, 'many', {
        tag,
        mediaType: OCI_INDEX,
        body: { schemaVersion: 2, mediaType: OCI_INDEX, manifests },
      });
    const index = await push('all', [entry(other, 's390x'), entry(own, ARCHITECTURE)]);
    await push('none', [entry(other, 's390x')]);
    await using node = await startNode();
    for (const name of ['many:all', `many@${index}`])
      expect((await node.cache.pull(parseImage(`${registry.host}/${name}`), { signal })).bundle.digest).toBe(own);
    await expect(node.cache.pull(parseImage(`${registry.host}/many:none`), { signal })).rejects.toThrow(
      `not there for linux/${ARCHITECTURE}, only for linux/s390x`,
    );
    await expect(node.cache.pull(parseImage(`${registry.host}/many@${other}`), { signal })).rejects.toThrow(
      `it is for linux/s390x, not for linux/${ARCHITECTURE}`,
    );
  });

  it("of Docker's schema 2, and an artifact of single files, are images too", async () => {
    await using node = await startNode();
    const docker = await pushImage(registry, 'docker', [await layerOf([hook])], { docker: true });
    const pulled = await node.cache.pull(parseImage(`${registry.host}/docker@${docker}`), { signal });
    expect(await listing(pulled.bundle.root)).toEqual(['bin folder 555', 'bin/hook file 555']);
    const file = {
      ...blobOf(Buffer.from('#!/bin/sh\n'), 'application/vnd.acme.hook'),
      annotations: { 'org.opencontainers.image.title': 'hook.sh' },
    };
    await pushImage(registry, 'artifact', [file], {
      config: blobOf(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json'),
    });
    const artifact = await node.cache.pull(parseImage(`${registry.host}/artifact:v1`), { signal });
    expect(await listing(artifact.bundle.root)).toEqual(['hook.sh file 555']);
  });

  it('is what its layers make of it: whiteouts, replacements, links', async () => {
    await pushImage(registry, 'layers', [
      await layerOf([
        { name: 'etc/gone', content: '1' },
        { name: 'etc/kept', content: '1' },
        { name: 'old/a', content: '1' },
        { name: 'old/deep/b', content: '1' },
        { name: 'was-folder/a', content: '1' },
        { name: 'was-file', content: '1' },
        { name: 'bin/busybox', mode: 0o755, content: 'box' },
      ]),
      await layerOf([
        { name: 'etc/.wh.gone' },
        { name: 'old/.wh..wh..opq' },
        { name: 'old/new', content: '2' },
        { name: 'was-folder', content: '2' },
        { name: '.wh.was-file' },
        { name: 'was-file/a', content: '2' },
        { name: 'bin/sh', type: 'symlink', linkname: '/bin/busybox' },
        { name: 'bin/ls', type: 'link', linkname: 'bin/busybox' },
        { name: 'etc/mtab', type: 'symlink', linkname: '../proc/mounts' },
      ]),
    ]);
    await using node = await startNode();
    const { bundle } = await node.cache.pull(parseImage(`${registry.host}/layers:v1`), { signal });
    expect(await listing(bundle.root)).toEqual([
      'bin folder 555',
      'bin/busybox file 555',
      'bin/ls file 555',
      'bin/sh link',
      'etc folder 555',
      'etc/kept file 444',
      'etc/mtab link',
      'old folder 555',
      'old/new file 444',
      'was-file folder 555',
      'was-file/a file 444',
      'was-folder file 444',
    ]);
    // A path from the root is one inside of the image.
    expect(await readFile(join(bundle.root, 'bin/sh'), 'utf8')).toBe('box');
    expect(await node.cache.verify(bundle.digest)).toEqual([]);
  });

  it('that was changed on disk is told, file by file', async () => {
    const digest = await pushImage(registry, 'tampered', [await layerOf([hook, { name: 'etc/a' }, { name: 'etc/b' }])]);
    await using node = await startNode();
    const { bundle } = await node.cache.pull(parseImage(`${registry.host}/tampered:v1`), { signal });
    await chmod(join(bundle.root, 'etc'), 0o755);
    await chmod(join(bundle.root, 'bin/hook'), 0o755);
    await writeFile(join(bundle.root, 'bin/hook'), 'evil');
    await chmod(join(bundle.root, 'bin/hook'), 0o555);
    await rm(join(bundle.root, 'etc/a'));
    await writeFile(join(bundle.root, 'etc/c'), '');
    expect((await node.cache.verify(digest)).sort()).toEqual([
      '"bin/hook" has other bytes than the image',
      '"etc" has mode 0755, expected 0555',
      '"etc/a" is missing',
      '"etc/c" is not of the image',
    ]);
  });

  it('that nobody uses is removed after a while, and when there are too many', async () => {
    await using node = await startNode();
    const hour = 3_600_000;
    const digests: string[] = [];
    for (const [name, ageHours] of [
      ['new', 3],
      ['held', 900],
      ['old', 900],
      ['large', 4],
    ] as const) {
      const layer = await layerOf([{ name: 'x', content: `${name}${'x'.repeat(1000)}` }]);
      const digest = await pushImage(registry, `sweep-${name}`, [layer]);
      await node.cache.pull(parseImage(`${registry.host}/sweep-${name}:v1`), { signal });
      const then = (Date.now() - ageHours * hour) / 1000;
      await utimes(join(node.folder, 'sha256', digest.slice(7), 'bundle.json'), then, then);
      digests.push(digest);
    }
    const [fresh, held] = digests;
    await node.cache.sweep({ unusedMs: 720 * hour, maxBytes: 1500, held: new Set([held ?? '']) });
    expect((await node.cache.list()).map(({ digest }) => digest)).toEqual([fresh, held]);
    expect(await node.leftovers()).toEqual([]);
  });
});

/** `trotline bundles`, as an init container and as people run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { removeTree } from '../../../sidecar/bundles/make.ts';
import { listing } from './kit.ts';
import { layerOf, program, pushImage, startRegistry, type TestRegistry } from './registry.ts';

async function bundles(...args: readonly string[]) {
  const child = spawn(process.execPath, ['trotline.mjs', 'bundles', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, stdout, stderr };
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'trotline-place-'));
  onTestFinished(() => removeTree(path));
  return path;
}

describe.skipIf(program === null)('A5: trotline bundles', () => {
  let registry: TestRegistry;
  let first: string;
  beforeAll(async () => {
    registry = await startRegistry();
    first = await pushImage(registry, 'acme/hooks', [
      await layerOf([
        { name: 'bin/hook', mode: 0o755, content: 'one' },
        { name: 'bin/h', type: 'symlink', linkname: 'hook' },
      ]),
    ]);
  });
  afterAll(() => registry[Symbol.asyncDispose]());
  const ref = (): string => `${registry.host}/acme/hooks@${first}`;

  it('pull puts the files of an image into a folder, and only them', async () => {
    const hooks = await folder();
    const to = join(hooks, 'acme');
    const { code, stdout, stderr } = await bundles('pull', ref(), '--to', to);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${to}\n${first}, 1 files\n` });
    expect(stderr).toMatch(/^layer 1 of 1, 0\.0 of 0\.0 MB$/m);
    expect(await listing(to)).toEqual(['bin folder 555', 'bin/h link', 'bin/hook file 555']);
    expect(await readdir(hooks)).toEqual(['acme']);
  });

  it('pull replaces what is there, at once; an image that cannot be had leaves it', async () => {
    const hooks = await folder();
    const to = join(hooks, 'acme');
    await mkdir(to);
    await writeFile(join(to, 'old'), 'x');
    const none = await bundles('pull', `${registry.host}/acme/none:v1`, '--to', to);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain(`error: image ${registry.host}/acme/none:v1: `);
    expect(await readdir(to)).toEqual(['old']);
    const told = await bundles('pull', ref(), '--to', to, '-o', 'json');
    expect(JSON.parse(told.stdout)).toMatchObject({ digest: first, files: 1, fetched: true, folder: to });
    await bundles('pull', ref(), '--to', to);
    expect(await readdir(to)).toEqual(['bin']);
    expect(await readFile(join(to, 'bin/h'), 'utf8')).toBe('one');
    expect(await readdir(hooks)).toEqual(['acme']);
  });

  it('list and verify tell what is in a cache, and what is no more as it was', async () => {
    const cache = await folder();
    expect(await bundles('list', '--cache', cache)).toMatchObject({ code: 0, stdout: 'no bundles\n' });
    const pulled = await bundles('pull', ref(), '--cache', cache, '-o', 'json');
    const root = join(cache, 'sha256', first.slice(7), 'rootfs');
    expect(JSON.parse(pulled.stdout)).toMatchObject({ folder: root, fetched: true });
    expect((await bundles('pull', ref(), '--cache', cache)).stdout).toContain('was in the cache');
    const [listed] = JSON.parse((await bundles('list', '--cache', cache, '-o', 'json')).stdout) as object[];
    expect(listed).toMatchObject({ digest: first, files: 1, folder: root });
    expect(await bundles('verify', '--cache', cache)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^sha256:\w+ .*\n {2}as it was pulled\n$/) as unknown,
    });
    await chmod(join(root, 'bin/hook'), 0o644);
    await writeFile(join(root, 'bin/hook'), 'two');
    const changed = await bundles('verify', first, '--cache', cache);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain('bin/hook');
    expect((await bundles('verify', `sha256:${'0'.repeat(64)}`, '--cache', cache)).stderr).toContain(
      'there is no bundle',
    );
  });

  it.each<[readonly string[], string]>([
    [[], 'nothing is to be done, expected pull, list or verify'],
    [['fetch', 'x'], '"fetch x" is to be done'],
    [['pull'], '0 images are given, expected one'],
    [['pull', 'UPPER/Case'], 'is no image'],
    [['list', '--to', '/x'], '--to and --refresh are for pull alone'],
    [['verify', 'latest'], '"latest" is no digest'],
    [['pull', 'a/b', '-o', 'yaml'], '--output is "yaml"'],
    [['pull', 'a/b', '--tto', 'x'], "'--tto'"],
  ])('%j is refused with what was expected', async (args, message) => {
    const { code, stdout, stderr } = await bundles(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('has a help that fits a screen', async () => {
    const { code, stdout } = await bundles('--help');
    expect(code).toBe(0);
    expect(stdout.split('\n').length).toBeLessThanOrEqual(24);
  });
});

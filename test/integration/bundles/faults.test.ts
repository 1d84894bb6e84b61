/** Registries that are slow, cut, lying or picky; processes that are killed; disks that are full. */
import { execFile, spawn } from 'node:child_process';
import { createSign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { parseImage } from '#core';
import { certificate } from '../../kit/certificates.ts';
import { eventually } from '../../kit/eventually.ts';
import { inNetns, netnsMissing } from '../../kit/netns.ts';
import { listing, startNode } from './kit.ts';
import { layerOf, program, pushImage, startRegistry, type TestRegistry } from './registry.ts';
import { Relay } from './relay.ts';

const signal = new AbortController().signal;
const CHILD = fileURLToPath(new URL('./pull-child.ts', import.meta.url));
const LARGE = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 251));
const hook = { name: 'bin/hook', mode: 0o755, content: '#!/bin/sh\necho hello\n' };

describe.skipIf(program === null)('A5: a pull', () => {
  let registry: TestRegistry;
  let folder = '';
  let digest = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trotline-pulls-'));
    registry = await startRegistry();
    digest = await pushImage(registry, 'hooks', [await layerOf([hook, { name: 'large', content: LARGE }], 'none')]);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const plain = (relay: Relay) => ({ credentials: null, ca: null, insecure: [relay.host] });

  it.each([
    ['the manifest', '/manifests/'],
    ['a layer', '/blobs/'],
  ])('refuses %s that is not what its digest says', async (what, part) => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    relay.twist = async ({ url = '' }, response, pass) => {
      const { headers, body } = await pass();
      if (!url.includes(part) || (part === '/blobs/' && body.length < 1000)) return false;
      // White space is JSON still, and the end of a tar is not looked at.
      body[body.length - 1] = part === '/blobs/' ? 1 : 0x20;
      response.writeHead(200, { 'content-type': headers.get('content-type') ?? '' });
      response.end(body);
      return true;
    };
    const reference = parseImage(`${relay.host}/hooks@${digest}`);
    await expect(node.cache.pull(reference, { signal })).rejects.toThrow(
      new RegExp(`${what}.* is not what its digest says: sha256:[0-9a-f]{64}, expected sha256:`),
    );
    expect(await node.leftovers()).toEqual([]);
    expect(await node.cache.list()).toEqual([]);
  });

  it('goes on where the connection broke, and gives up when it breaks again and again', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    let cuts = 2;
    relay.twist = async ({ url = '' }, response, pass) => {
      const { status, headers, body } = await pass();
      if (!url.includes('/blobs/') || body.length < 1000 || cuts-- <= 0) return false;
      response.writeHead(status, [...headers].flat());
      response.write(body.subarray(0, 70_000), () => response.destroy());
      return true;
    };
    const { bundle } = await node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal });
    expect((await readFile(join(bundle.root, 'large'))).equals(LARGE)).toBe(true);
    expect(relay.asked.flatMap(({ headers }) => headers.range ?? [])).toEqual([
      expect.stringMatching(/^bytes=\d+-$/),
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
    cuts = Infinity;
    await using other = await startNode({ settings: plain(relay) });
    await expect(other.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal })).rejects.toMatchObject({
      code: 'PEER_UNAVAILABLE',
      message: expect.stringContaining('broke off') as string,
    });
    expect(await other.leftovers()).toEqual([]);
  });

  it('ends in time when a registry hardly answers, and keeps no other image waiting', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    relay.twist = async ({ url = '' }, response, pass) => {
      if (!url.includes('/blobs/')) return false;
      const { body } = await pass();
      if (body.length < 1000) return false;
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, 1));
      return true;
    };
    const since = performance.now();
    const slow = node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal });
    const other = await pushImage(registry, 'quick', [await layerOf([hook])]);
    expect((await node.cache.pull(parseImage(`${registry.host}/quick:v1`), { signal })).bundle.digest).toBe(other);
    await expect(slow).rejects.toThrow('fewer than 20480 bytes in 300 ms');
    expect(performance.now() - since).toBeLessThan(5000);
    expect(await node.leftovers()).toEqual([]);
  });

  it('tries again what a registry has no time for now, and says what it never has', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    let busy = 2;
    relay.twist = async (_request, response) => {
      if (busy-- <= 0) return false;
      response.writeHead(503).end();
      return true;
    };
    await node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal });
    await expect(node.cache.pull(parseImage(`${relay.host}/none:v1`), { signal })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `image ${relay.host}/none:v1: ${relay.host}/none has no manifests/v1`,
    });
    relay.twist = async (_request, response) => (response.writeHead(503).end(), true);
    await expect(node.cache.pull(parseImage(`${relay.host}/busy:v1`), { signal })).rejects.toThrow('answered 503');
    await using gone = await startNode();
    await expect(gone.cache.pull(parseImage('127.0.0.1:1/hooks:v1'), { signal })).rejects.toThrow('ECONNREFUSED');
  });

  it('by two processes at once asks for each layer once', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode();
    const pull = async (): Promise<{ digest: string; fetched: boolean }> => {
      const argv = ['--conditions=source', CHILD, node.folder, `${relay.host}/hooks:v1`];
      return JSON.parse((await promisify(execFile)(process.execPath, argv)).stdout);
    };
    const both = await Promise.all([pull(), pull()]);
    expect(both.map(({ digest: pulled }) => pulled)).toEqual([digest, digest]);
    expect(both.filter(({ fetched }) => fetched)).toHaveLength(1);
    expect(relay.count('/blobs/')).toBe(2);
    expect(await node.leftovers()).toEqual([]);
  });

  it('that is killed in the middle leaves a cache that the next one finds clean', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    relay.twist = async ({ url = '' }, response, pass) => {
      const { body } = await pass();
      if (!url.includes('/blobs/') || body.length < 1000) return false;
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, 200_000));
      return true;
    };
    const child = spawn(process.execPath, ['--conditions=source', CHILD, node.folder, `${relay.host}/hooks:v1`]);
    await eventually(async () => (await node.leftovers()).length > 0, { timeoutMs: 10_000 });
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await node.cache.list()).toEqual([]);
    expect(await node.leftovers()).toHaveLength(1);
    relay.twist = async () => false;
    const { bundle } = await node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal });
    expect(await listing(bundle.root)).toContain('large file 444');
    expect(await node.leftovers()).toEqual([]);
  });

  it('that is given up leaves nothing', async () => {
    await using relay = await Relay.to(registry.host);
    await using node = await startNode({ settings: plain(relay) });
    const asked = Promise.withResolvers<undefined>();
    relay.twist = async ({ url = '' }) => {
      if (!url.includes('/blobs/')) return false;
      asked.resolve(undefined);
      return true;
    };
    const stop = new AbortController();
    const pull = node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal: stop.signal });
    const end = expect(pull).rejects.toThrow('enough');
    await asked.promise;
    stop.abort(new Error('enough'));
    await end;
    expect(await node.leftovers()).toEqual([]);
  });

  it('proves itself with name and password, and says when it has none', async () => {
    const users = join(folder, 'htpasswd');
    // The password is "secret".
    await writeFile(users, 'ann:$2b$04$8qYa2QivoGcrXieQ8MJwiObGR0kRwS2HyTrlvyiAPKObPIVdENs9S\n');
    await using closed = await startRegistry({ config: `auth: { htpasswd: { realm: hooks, path: ${users} } }` });
    const auth = Buffer.from('ann:secret').toString('base64');
    const pushed = await pushImage({ host: closed.host, headers: { authorization: `Basic ${auth}` } }, 'acme/hooks', [
      await layerOf([hook]),
    ]);
    const credentials = join(folder, 'config.json');
    await writeFile(
      credentials,
      JSON.stringify({ auths: { 'ghcr.io': { auth: 'eDp5' }, [`${closed.host}/acme`]: { auth } } }),
    );
    await using node = await startNode({ settings: { credentials, ca: null, insecure: [closed.host] } });
    const reference = parseImage(`${closed.host}/acme/hooks:v1`);
    expect((await node.cache.pull(reference, { signal })).bundle.digest).toBe(pushed);
    await using stranger = await startNode({ settings: { credentials: null, ca: null, insecure: [closed.host] } });
    await expect(stranger.cache.pull(reference, { signal })).rejects.toThrow(
      'the registry wants credentials, and none are given for this repository',
    );
    await writeFile(credentials, JSON.stringify({ auths: { [closed.host]: { username: 'ann', password: 'wrong' } } }));
    await using forgetful = await startNode({ settings: { credentials, ca: null, insecure: [closed.host] } });
    await expect(forgetful.cache.pull(reference, { signal })).rejects.toThrow('the registry answered 401 for ann');
  });

  it('gets a token where the registry says so', async () => {
    const { certFile, keyFile } = certificate(folder, 'tokens');
    const key = await readFile(keyFile);
    const chain = [new X509Certificate(await readFile(certFile)).raw.toString('base64')];
    const asked: { readonly url: string; readonly authorization: string }[] = [];
    const service = createServer((request, response) => {
      const { url = '', headers } = request;
      asked.push({ url, authorization: headers.authorization ?? '' });
      const scope = new URL(url, 'http://x').searchParams.get('scope') ?? '';
      if (headers.authorization !== `Basic ${Buffer.from('bot:secret').toString('base64')}`) {
        response.writeHead(401).end();
        return;
      }
      response.end(JSON.stringify({ token: tokenFor(scope, chain, key) }));
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const realm = `http://127.0.0.1:${(service.address() as AddressInfo).port}/token`;
    await using closed = await startRegistry({
      config: `auth: { token: { realm: "${realm}", service: hooks, issuer: test, rootcertbundle: ${certFile} } }`,
    });
    const push = {
      host: closed.host,
      headers: { authorization: `Bearer ${tokenFor('repository:acme/hooks:pull,push', chain, key)}` },
    };
    const pushed = await pushImage(push, 'acme/hooks', [await layerOf([hook])]);
    const credentials = join(folder, 'tokens.json');
    const save = (password: string) =>
      writeFile(credentials, JSON.stringify({ auths: { [closed.host]: { username: 'bot', password } } }));
    await save('secret');
    await using node = await startNode({ settings: { credentials, ca: null, insecure: [closed.host] } });
    const reference = parseImage(`${closed.host}/acme/hooks:v1`);
    expect((await node.cache.pull(reference, { signal })).bundle.digest).toBe(pushed);
    expect(asked.map(({ url }) => url)).toEqual(['/token?service=hooks&scope=repository%3Aacme%2Fhooks%3Apull']);
    await save('wrong');
    await using other = await startNode({ settings: { credentials, ca: null, insecure: [closed.host] } });
    await expect(other.cache.pull(reference, { signal })).rejects.toThrow('answered 401 for bot');
    service.close();
    service.closeAllConnections();
  });

  it('takes no credentials along to where the registry sends it', async () => {
    await using store = await Relay.to(registry.host);
    await using relay = await Relay.to(registry.host);
    relay.twist = async ({ url = '', headers }, response) => {
      if (headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return true;
      }
      if (!url.includes('/blobs/')) return false;
      response.writeHead(307, { location: `http://${store.host}${url}` }).end();
      return true;
    };
    const credentials = join(folder, 'redirect.json');
    await writeFile(credentials, JSON.stringify({ auths: { [relay.host]: { username: 'ann', password: 'x' } } }));
    await using node = await startNode({ settings: { credentials, ca: null, insecure: [relay.host] } });
    await node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal });
    expect(store.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    expect(relay.asked.at(-1)?.headers.authorization).toMatch(/^Basic /);
    relay.twist = async (_request, response) => (
      response.writeHead(302, { location: 'http://192.0.2.1/x' }).end(),
      true
    );
    await using other = await startNode({ settings: { credentials, ca: null, insecure: [relay.host] } });
    await expect(other.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal })).rejects.toThrow(
      'http://192.0.2.1 is asked for without TLS',
    );
    relay.twist = async (_request, response) => (response.writeHead(302, { location: '/round' }).end(), true);
    await expect(other.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal })).rejects.toThrow(
      'more than 5 redirects',
    );
  });

  it('trusts a certificate only by its authorities', async () => {
    const own = certificate(folder, 'registry');
    await using relay = await Relay.to(registry.host, own);
    await using node = await startNode({ settings: { credentials: null, ca: own.certFile, insecure: [] } });
    expect((await node.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal })).bundle.digest).toBe(digest);
    await using stranger = await startNode();
    await expect(stranger.cache.pull(parseImage(`${relay.host}/hooks:v1`), { signal })).rejects.toThrow('certificate');
  });

  const missing = netnsMissing();
  if (missing !== null && process.env.CI === 'true') throw new Error(missing);
  if (missing !== null) console.log(`skipped: an image on a full disk: ${missing}`);
  it.skipIf(missing !== null)('on a full disk leaves nothing half, and says so', async () => {
    const scenario = fileURLToPath(new URL('./full-disk-scenario.ts', import.meta.url));
    const { lines, stderr } = await inNetns(scenario, []);
    expect(lines, stderr).toEqual([
      { error: expect.stringContaining('entry "large": the disk is full') as string, left: [], listed: 0 },
      { error: null, left: [], listed: 1 },
    ]);
  });
});

/** A JSON web token as the registry wants it. */
function tokenFor(scope: string, chain: readonly string[], key: Buffer): string {
  const [type = '', name = '', actions = ''] = scope.split(':');
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ typ: 'JWT', alg: 'ES256', x5c: chain })}.${part({
    iss: 'test',
    sub: 'bot',
    aud: 'hooks',
    exp: now + 60,
    nbf: now - 60,
    iat: now,
    jti: String(now),
    access: [{ type, name, actions: actions.split(',') }],
  })}`;
  const signature = createSign('sha256').update(body).sign({ key, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { parseConfig, type Program, systemClock } from '#core';

import { webhook } from '../../../plugins/actions/webhook/index.ts';
import { createGuardedFetch, type LookupAll } from '../../../sidecar/guarded-fetch.ts';
import { DEFAULT_POLICY, type NodePolicy } from '../../../sidecar/policy.ts';
import { checkScript } from '../../../sidecar/script-check.ts';
import { attemptOf, eventOf, silentLog } from '../../kit/action-context.ts';

const SECRET = 'whsec_c2hhcmVkIGJldHdlZW4gdXMgdHdvIGFsb25l';
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver on a free port of an address of the loopback network. */
async function receiver(answer: RequestListener, address = '127.0.0.1') {
  const received: Received[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(request, response);
    });
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { received, port, url: `http://${address}:${port}/events`, connections: () => connections };
}

/** The action in a sidecar whose policy allows these destinations. */
function sender(url: string, allow: readonly string[], config: object = {}, lookup?: LookupAll) {
  const policy: NodePolicy = { ...DEFAULT_POLICY, webhook: { allow } };
  const { fetch, close } = createGuardedFetch(policy, lookup ? { lookup } : {});
  cleanups.push(close);
  const run = () => Promise.reject(new Error('a webhook runs no program'));
  const context = { clock: systemClock, log: silentLog, fetch, run };
  const action = webhook.create(parseConfig(webhook.config, { url, ...config }, 'webhook'), context);
  return (parts = {}) => action.handle(eventOf(), attemptOf(parts));
}

const LOCAL = ['127.0.0.0/8'];
const status =
  (code: number, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    void response.writeHead(code, headers).end();

describe('a webhook over HTTP', () => {
  it('arrives signed, as a CloudEvent', async () => {
    const { received, url } = await receiver(status(204));
    const send = sender(url, LOCAL, { secret: SECRET, headers: { authorization: 'Bearer abc' } });
    const result = await send({ deliveryId: 'd-42' });
    expect(result).toEqual({ status: 'delivered', detail: expect.stringMatching(/^204 in \d+ ms$/) });

    const { headers, body } = received[0]!;
    const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    expect(new Webhook(SECRET).verify(body, flat)).toMatchObject({ id: 'netlink-f00d-7' });
    expect(HTTP.toEvent({ headers, body })).toMatchObject({ type: 'netlink.link-deleted', specversion: '1.0' });
    expect(flat).toMatchObject({ 'webhook-id': 'd-42', 'idempotency-key': 'd-42', authorization: 'Bearer abc' });
  });

  it('is not verified with another secret', async () => {
    const { received, url } = await receiver(status(204));
    await sender(url, LOCAL, { secret: 'another' })();
    const { headers, body } = received[0]!;
    const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    expect(() => new Webhook(SECRET).verify(body, flat)).toThrow('No matching signature');
  });

  it('shares a bounded number of connections between many deliveries', async () => {
    const { url, received, connections } = await receiver(status(204));
    const send = sender(url, LOCAL);
    await Promise.all(Array.from({ length: 50 }, () => send()));
    expect(received).toHaveLength(50);
    expect(connections()).toBeLessThanOrEqual(8);
  });

  it('is tried again when the endpoint asks for it, after the time that it asks for', async () => {
    const { url } = await receiver(status(503, { 'retry-after': '3' }));
    expect(await sender(url, LOCAL)()).toMatchObject({ status: 'retry', afterMs: 3000 });
  });

  it('stops asking after five failures', async () => {
    const { url, received } = await receiver(status(500));
    const send = sender(url, LOCAL);
    for (let count = 0; count < 6; count += 1) await send();
    const last = await send();
    expect(last).toMatchObject({ status: 'retry', reason: 'breaker open after 5 failures: endpoint answered 500' });
    expect(received).toHaveLength(5);
  });

  it('is tried again when no answer comes in time', async () => {
    const { url } = await receiver(() => undefined);
    const result = await sender(url, LOCAL, { timeout: '100ms' })();
    expect(result).toEqual({ status: 'retry', reason: 'no answer in 100ms', timedOut: true });
  });

  it('is delivered by its status when the body never ends', async () => {
    const { url } = await receiver((_, response) => void response.writeHead(200).write('so far'));
    const result = await sender(url, LOCAL, { timeout: '200ms' })();
    expect(result).toMatchObject({ status: 'delivered', output: 'so far' });
  });

  it('ends when its attempt is aborted', async () => {
    const lease = new AbortController();
    const { url } = await receiver(() => lease.abort(new Error('lease lost')));
    expect(await sender(url, LOCAL)({ signal: lease.signal })).toEqual({
      status: 'retry',
      reason: 'aborted: lease lost',
    });
  });

  it('is tried again when nobody listens', async () => {
    const { url, port } = await receiver(status(204));
    await cleanups.pop()!();
    const reason = `endpoint not reached: connect ECONNREFUSED 127.0.0.1:${port}`;
    expect(await sender(url, LOCAL)()).toEqual({ status: 'retry', reason });
  });

  it('follows no redirect', async () => {
    const inside = await receiver(status(204));
    const outside = await receiver(status(307, { location: inside.url }));
    const result = await sender(outside.url, LOCAL)();
    expect(result).toMatchObject({ status: 'rejected', reason: expect.stringContaining(`127.0.0.1:${inside.port}`) });
    expect(inside.connections()).toBe(0);
  });
});

describe('the policy of destinations', () => {
  it('sends nothing to a refused address, not even a connection', async () => {
    const { url, connections } = await receiver(status(204));
    const reason = "the node's policy refuses 127.0.0.1: 127.0.0.1 is loopback";
    expect(await sender(url, [])()).toEqual({ status: 'rejected', reason });
    expect(connections()).toBe(0);
  });

  it('sees through a name that leads elsewhere at the second look', async () => {
    const outside = await receiver(status(204, { connection: 'close' }), '127.0.0.2');
    const answers = ['127.0.0.2', '127.0.0.1'];
    const lookup: LookupAll = (_, callback) => callback(null, [{ address: answers.shift() ?? '127.0.0.1', family: 4 }]);
    const send = sender(`http://rebind.test:${outside.port}/`, ['127.0.0.2'], {}, lookup);
    expect(await send()).toMatchObject({ status: 'delivered' });
    const reason = "the node's policy refuses rebind.test: 127.0.0.1 is loopback";
    expect(await send()).toEqual({ status: 'rejected', reason });
  });

  it('tries only those addresses of a name that are allowed', async () => {
    const inside = await receiver(status(204));
    const lookup: LookupAll = (_, callback) =>
      callback(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '127.0.0.3', family: 4 },
      ]);
    const result = await sender(`http://both.test:${inside.port}/`, ['127.0.0.3'], {}, lookup)();
    expect(result).toMatchObject({ status: 'retry', reason: expect.stringContaining('127.0.0.3') });
    expect(inside.connections()).toBe(0);
  });

  it('holds for each hop of whoever does follow redirects', async () => {
    const inside = await receiver(status(200));
    const outside = await receiver(status(302, { location: inside.url }), '127.0.0.2');
    const policy: NodePolicy = { ...DEFAULT_POLICY, webhook: { allow: ['127.0.0.2'] } };
    const { fetch, close } = createGuardedFetch(policy);
    cleanups.push(close);
    await expect(fetch(outside.url)).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
      details: { address: '127.0.0.1' },
    });
    expect(inside.connections()).toBe(0);
  });

  it.each(['[::1]', '[::ffff:127.0.0.1]', '[0:0:0:0:0:ffff:7f00:1]', '[::]', '0.0.0.0', '2130706433', 'localhost'])(
    'knows %s for what it is',
    async (host) => {
      const { port, connections } = await receiver(status(204), '::');
      const result = await sender(`http://${host}:${port}/`, [])();
      expect(result).toMatchObject({ status: 'rejected', reason: expect.stringMatching(/is (loopback|unspecified)$/) });
      expect(connections()).toBe(0);
    },
  );

  it('reaches an allowed IPv6 address and an allowed name', async () => {
    const { port, received } = await receiver(status(204), '::');
    expect(await sender(`http://[::1]:${port}/`, ['::1'])()).toMatchObject({ status: 'delivered' });
    expect(await sender(`http://[::ffff:127.0.0.1]:${port}/`, LOCAL)()).toMatchObject({ status: 'delivered' });
    expect(await sender(`http://localhost:${port}/`, ['localhost'])()).toMatchObject({ status: 'delivered' });
    expect(received).toHaveLength(3);
  });
});

describe('the policy of scripts, on real files', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trotline-scripts-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A script with this mode in a folder of its own with that mode. */
  async function script(name: string, mode: number, folderMode = 0o755): Promise<Program> {
    const home = join(folder, name);
    await mkdir(home);
    const path = join(home, 'run.sh');
    await writeFile(path, '#!/bin/sh\n');
    await chmod(path, mode);
    await chmod(home, folderMode);
    const common = {
      shell: false,
      env: {},
      timeoutMs: 1000,
      stdin: null,
      directory: null,
      user: null,
      limits: {},
      cgroup: null,
    };
    return { argv: [path], ...common };
  }

  function check(program: Program, writable: 'refuse' | 'warn') {
    return checkScript(
      { ...DEFAULT_POLICY, script: { ...DEFAULT_POLICY.script, directories: [folder], writable } },
      program,
    );
  }

  it('N35: runs a script that only its owner can write', async () => {
    const program = await script('fine', 0o755);
    expect(check(program, 'refuse')).toEqual({ allowed: true, path: program.argv[0], warnings: [] });
  });

  it.each([
    ['a script writable by everyone', 0o757, 0o755, 'the file is writable by everyone'],
    ['a script writable by its group', 0o775, 0o755, 'the file is writable by its group'],
    ['a script in a folder writable by everyone', 0o755, 0o777, 'is writable by everyone'],
    ['a script in a folder writable by its group', 0o755, 0o775, 'is writable by its group'],
  ])('N35: refuses or warns of %s, as the policy says', async (title, mode, folderMode, problem) => {
    const program = await script(title.replaceAll(' ', '-'), mode, folderMode);
    expect(check(program, 'refuse')).toEqual({ allowed: false, reason: expect.stringContaining(problem) });
    expect(check(program, 'warn')).toMatchObject({ allowed: true, warnings: [expect.stringContaining(problem)] });
  });

  it('N35: judges the script behind a symbolic link', async () => {
    const target = await script('behind', 0o757);
    const link = join(folder, 'link.sh');
    await symlink(target.argv[0]!, link);
    expect(check({ ...target, argv: [link] }, 'refuse')).toMatchObject({ allowed: false });
  });

  it('refuses a link out of the directory', async () => {
    const link = join(folder, 'out.sh');
    await symlink('/bin/sh', link);
    const program = { ...(await script('other', 0o755)), argv: [link] };
    expect(check(program, 'warn')).toEqual({ allowed: false, reason: expect.stringContaining('not below') });
  });
});

/** The HTTP API as its clients see it: rows N26 to N29 of spec/nlmon.md at the control plane, access, errors, tails. */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '#core';

import { plain } from '../../../control-plane/cli/output.ts';
import { run } from '../../../control-plane/cli/program.ts';
import { HookDirectory } from '../../../control-plane/config/hook-directory.ts';
import { HookRegistry } from '../../../control-plane/config/hook-registry.ts';
import { SidecarRegistry } from '../../../control-plane/config/sidecar-registry.ts';
import { createControlPlane } from '../../../control-plane/control-plane.ts';
import { HttpApi } from '../../../control-plane/http/api.ts';
import { eventually } from '../../kit/eventually.ts';
import { apiParts, eventHook, FakeStore, silent, storedEvent, words } from '../../unit/control-plane/kit.ts';

const COUNTS = { hook: 'trotline/veth-gone', node: 'n1', executions: 6, successes: 3, failures: 2, timeouts: 1 };
const PERCENTILES = { p50Ms: 20, p95Ms: 250, p99Ms: 300 };
let root: string;
let store: FakeStore;
let hooks: HookRegistry;
let sidecars: SidecarRegistry;
let api: HttpApi;
let token: string;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), 'trotline-http-'));
  await mkdir(join(root, 'hooks'));
  const condition = `  eventTypes: [link-deleted]\n  condition: "interface =~ 'veth.*' AND message_type == 17"\n  limit: { count: 30, per: 1m }`;
  await writeFile(
    join(root, 'hooks', 'a.yaml'),
    `${eventHook('veth-gone', condition)}---\n${eventHook('bad', '  typo: 1')}`,
  );
  const directory = new HookDirectory({ directory: join(root, 'hooks'), vocabulary: words, log: silent });
  store = new FakeStore();
  hooks = new HookRegistry({ origins: [directory], store, log: silent });
  sidecars = new SidecarRegistry(systemClock);
  api = apiOn('127.0.0.1:0', 'api.json');
  for (const part of [directory, hooks, api]) {
    await part.start();
    stack.defer(() => part.stop());
  }
  token = (await readFile(join(root, 'token'), 'utf8')).trim();
});

afterEach(async () => {
  await stack.disposeAsync();
  await rm(root, { recursive: true, force: true });
});

function apiOn(listen: string, addressFile: string): HttpApi {
  const own = { listen, tokenFile: join(root, 'token'), addressFile: join(root, addressFile) };
  return new HttpApi({ ...own, ...apiParts(store), hooks, sidecars });
}

type Answer = { readonly status: number; readonly body: ReturnType<typeof JSON.parse> };

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${api.address}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

const get = (path: string): Promise<Answer> => call('GET', path);

describe('access to the API', () => {
  it('keeps its token and address in files that only the owner reads', async () => {
    expect((await stat(join(root, 'token'))).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(join(root, 'api.json'), 'utf8'))).toMatchObject({
      version: 1,
      address: api.address,
    });
  });

  it('answers nothing but /healthz without the token', async () => {
    for (const authorization of ['', 'Bearer wrong', `Basic ${token}`]) {
      const { status, body } = await call('GET', '/v1/hooks', undefined, { authorization });
      expect([status, body.error.code]).toEqual([401, 'POLICY_REFUSED']);
    }
    expect(await call('GET', '/healthz', undefined, { authorization: '' })).toMatchObject({ status: 200 });
  });

  it('refuses a Host header of another machine', async () => {
    const status = await new Promise((resolve) => {
      const { hostname, port } = new URL(api.address);
      const headers = { host: 'evil.example', authorization: `Bearer ${token}` };
      request({ hostname, port, path: '/v1/hooks', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(403);
  });

  it('refuses to listen on any address but loopback', async () => {
    for (const listen of ['0.0.0.0:7411', '192.168.1.1:1', 'example.com:80', '127.0.0.1', '[::]:1']) {
      const other = apiOn(listen, 'other.json');
      await expect(other.start(), listen).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      await other.stop();
    }
  });

  it('says that an address is in use', async () => {
    const listen = new URL(api.address).host;
    const other = apiOn(listen, 'other.json');
    await expect(other.start()).rejects.toThrow('is in use');
    await other.stop();
  });

  it('are of one shape also where no route was reached', async () => {
    const shape = { error: { code: 'USAGE', message: expect.any(String) } };
    expect(await call('GET', '/v1/hooks/%ff/x')).toEqual({ status: 400, body: shape });
    const { hostname, port } = new URL(api.address);
    const raw = (text: string): Promise<string> =>
      new Promise((resolve) => {
        let answer = '';
        const socket = connect(Number(port), hostname, () => socket.write(text));
        socket.on('data', (bytes) => (answer += bytes.toString()));
        socket.on('close', () => resolve(answer));
      });
    const tooLong = await raw(`GET / HTTP/1.1\r\nhost: x\r\na: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(tooLong).toMatch(/^HTTP\/1\.1 431 /);
    expect(JSON.parse(tooLong.slice(tooLong.indexOf('\r\n\r\n')))).toEqual(shape);
    const garbage = await raw('\0\0\r\n\r\n');
    expect(JSON.parse(garbage.slice(garbage.indexOf('\r\n\r\n')))).toEqual(shape);
  });

  it('refuses bodies that are no JSON, unknown paths and unknown keys, each as an error', async () => {
    expect(await call('POST', '/v1/hooks/validate', '{')).toMatchObject({
      status: 400,
      body: { error: { code: 'USAGE' } },
    });
    const text = await call('POST', '/v1/hooks/validate', 'x', { 'content-type': 'text/plain' });
    expect(text.status).toBe(415);
    expect(await get('/v1/nothing')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
    const typo = await get('/v1/events?hok=x');
    expect(typo).toMatchObject({
      status: 400,
      body: { error: { code: 'CONFIG_INVALID', issues: [{ path: '/hok' }] } },
    });
    expect((await get('/v1/events?limit=0')).status).toBe(400);
    expect((await get('/v1/events?limit=x')).status).toBe(400);
  });
});

describe('hooks over the API', () => {
  it('shows the effective configuration of all, and what was refused and why', async () => {
    const { body } = await get('/v1/hooks');
    expect(body.hooks).toMatchObject([
      {
        hook: 'trotline/veth-gone',
        enabled: true,
        override: null,
        spec: { giveUpAfter: 900_000 },
        nodes: [],
        stats: [],
      },
    ]);
    expect(body.refused).toMatchObject([{ id: 'trotline/bad', issues: [{ line: 18, path: '/spec/typo' }] }]);
  });

  it('shows per node what became of a hook', async () => {
    const identity = { sidecarId: 's1', node: 'n1', version: '1', plugins: [] };
    sidecars.connected(identity, '');
    expect((await get('/v1/hooks/trotline/veth-gone')).body.nodes).toMatchObject([{ node: 'n1', state: 'pending' }]);
    const { digest } = hooks.hook('trotline/veth-gone');
    const applied = { hook: 'trotline/veth-gone', digest, state: 'failed', reason: 'not allowed here' } as const;
    sidecars.answered('s1', { version: 'v', state: 'applied', reason: '', hooks: [applied] });
    expect((await get('/v1/hooks/trotline/veth-gone')).body.nodes).toMatchObject([
      { node: 'n1', connected: true, state: 'failed', reason: 'not allowed here' },
    ]);
    expect((await get('/v1/sidecars')).body).toMatchObject([{ sidecarId: 's1', upToDate: false, sources: [] }]);
  });

  it('N28: gives the statistics of every hook and node', async () => {
    store.stats_ = [{ ...COUNTS, minMs: 10, avgMs: 20, maxMs: 30, totalMs: 120, ...PERCENTILES, lastAtMs: 1 }];
    expect((await get('/v1/stats')).body).toEqual(store.stats_);
    expect((await get('/v1/hooks/trotline/veth-gone')).body.stats).toEqual(store.stats_);
  });

  it('N29: disables and enables live, says who, and lets the file decide again', async () => {
    const off = await call('POST', '/v1/hooks/trotline/veth-gone/disable', { who: 'alice' });
    expect(off.body).toMatchObject({ enabled: false, override: { enabled: false, who: 'alice' } });
    expect(hooks.hook('trotline/veth-gone').spec.enabled).toBe(false);
    await call('POST', '/v1/hooks/trotline/veth-gone/enable', { who: 'bob' });
    expect(hooks.hook('trotline/veth-gone').spec.enabled).toBe(true);
    const gone = await call('DELETE', '/v1/hooks/trotline/veth-gone/override', { who: 'bob' });
    expect(gone.body).toMatchObject({ enabled: true, override: null });
    expect((await get('/v1/audit')).body.map((record: { who: string }) => record.who)).toEqual(['bob', 'bob', 'alice']);
    expect((await call('POST', '/v1/hooks/trotline/veth-gone/disable', {})).status).toBe(400);
    const typo = await call('POST', '/v1/hooks/trotline/veth-gon/disable', { who: 'alice' });
    expect(typo).toMatchObject({ status: 404, body: { error: { message: expect.stringContaining('did you mean') } } });
  });

  it('validates a text as loading it would', async () => {
    const text = `${eventHook('a')}---\n${eventHook('a')}---\n${eventHook('b', "  condition: 'foo == 1'")}`;
    const { body } = await call('POST', '/v1/hooks/validate', { file: 'x.yaml', text });
    expect(body.hooks).toMatchObject([{ name: 'a' }]);
    expect(body.refused).toMatchObject([{ id: 'trotline/b' }, { id: 'trotline/a' }]);
    const broken = await call('POST', '/v1/hooks/validate', { file: 'x.yaml', text: 'a: [' });
    expect(broken.body.refused).toMatchObject([{ id: null, file: 'x.yaml', issues: [{ line: 1 }] }]);
  });

  it('explains why a hook would not run for an event: given, by id, or the last of its source', async () => {
    store.events_.push(storedEvent(1), ...Array(1100).fill(storedEvent(2, { type: 'journal.lost' })));
    for (const event of ['last', 'netlink-life1-1', { type: 'link-changed', interface: 'veth3', messageType: 16 }]) {
      const { body } = await call('POST', '/v1/hooks/test', { hook: 'veth-gone', event });
      expect(body).toMatchObject({ hook: 'trotline/veth-gone', wouldRun: false, limit: '30 per 1m', dedup: null });
      expect(body.parts.map(({ part, holds }: { part: string; holds: boolean }) => [part, holds])).toEqual([
        ['enabled', true],
        ['source', true],
        ['eventTypes', false],
        ['condition', false],
      ]);
      expect(body.parts[3].tree.children).toMatchObject([
        { value: true, text: "interface =~ 'veth.*'" },
        { value: false, text: 'message_type == 17' },
      ]);
    }
    const event = { type: 'netlink.link-deleted', interface: 'veth3', messageType: 17 };
    expect((await call('POST', '/v1/hooks/test', { hook: 'veth-gone', event })).body.wouldRun).toBe(true);
    expect((await call('POST', '/v1/hooks/test', { hook: 'veth-gone', event: 'none' })).status).toBe(404);
    expect((await call('POST', '/v1/hooks/test', { hook: 'veth-gone', event: { typ: 1 } })).status).toBe(400);
  });
});

describe('events over the API', () => {
  it('lists, newest first, by filters, with short names too', async () => {
    store.add(storedEvent(1));
    store.add(storedEvent(2, { type: 'netlink.link-added' }));
    expect((await get('/v1/events')).body.map(({ id }: { id: string }) => id)).toEqual([
      'netlink-life1-2',
      'netlink-life1-1',
    ]);
    expect((await get('/v1/events?type=link-added&limit=5')).body).toHaveLength(1);
    expect((await get('/v1/events?hook=veth-gone')).body).toEqual([]);
  });

  it('shows one event; integers beyond 2^53 are text', async () => {
    store.add(storedEvent(1));
    expect((await get('/v1/events/netlink-life1-1')).body.event.attributes['netlink.big']).toBe('1152921504606846976');
    expect((await get('/v1/events/none')).status).toBe(404);
  });

  it('streams new events to tails, filtered, and forgets a tail that went', async () => {
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${api.address}/v1/events/stream?type=link-added`, { headers, signal: abort.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })().catch(() => undefined);
    store.add(storedEvent(1));
    store.add(storedEvent(2, { type: 'netlink.link-added' }));
    await eventually(() => text.includes('netlink-life1-2'));
    expect(text).not.toContain('netlink-life1-1"');
    abort.abort();
    await reading;
    expect(store.listeners).toBe(1);
  });

  it('refuses a misspelt filter of a tail before the stream opens', async () => {
    expect((await get('/v1/events/stream?hoook=x')).status).toBe(400);
  });
});

describe('the command line over the API', () => {
  interface Ran {
    readonly code: number;
    readonly stdout: string;
    readonly stderr: string;
  }

  async function trotline(
    argv: readonly string[],
    signal = new AbortController().signal,
    seen: (stdout: string) => void = () => undefined,
  ): Promise<Ran> {
    let [stdout, stderr] = ['', ''];
    const out = (text: string): void => {
      stdout += text;
      seen(stdout);
    };
    const terminal = {
      out,
      err: (text: string) => (stderr += text),
      width: Infinity,
      interactive: false,
      paint: plain,
    };
    const code = await run(argv, {
      terminal,
      env: { TROTLINE_DATA: root },
      signal,
      urgent: signal,
      exitCode: 0,
      heedsStop: false,
    });
    return { code, stdout, stderr };
  }

  it('N28: shows the statistics as a table and as JSON', async () => {
    const totals = { ...COUNTS, minMs: 10, avgMs: 103, maxMs: 300, totalMs: 620, ...PERCENTILES };
    store.stats_ = [{ ...totals, lastAtMs: Date.now() }];
    const { stdout } = await trotline(['hooks', 'stats']);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['HOOK', 'NODE', 'RUNS', 'OK', 'FAILED', 'TIMEOUT', 'MIN', 'AVG', 'MAX', 'LAST'],
      ['veth-gone', 'n1', '6', '3', '2', '1', '10 ms', '103 ms', '300 ms', expect.stringMatching(/^\d\d:\d\d:\d\d/)],
      [''],
    ]);
    expect(JSON.parse((await trotline(['hooks', 'stats', 'veth-gone', '-o', 'json'])).stdout)).toEqual([
      { ...totals, lastAt: expect.stringMatching(/Z$/) },
    ]);
  });

  it('refuses what is none: a hook, an outcome, a limit, before it asks anybody', async () => {
    const refused = async (argv: readonly string[], text: string): Promise<void> => {
      const { code, stderr } = await trotline(argv);
      expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
    };
    await refused(['hooks', 'show', '../../events'], '"../../events" is no hook name');
    await refused(['hooks', 'show', 'a/b/c'], '"a/b/c" is no hook name');
    await refused(['hooks', 'disable', 'trotline/..'], 'is no hook name');
    await refused(['events', 'list', '--outcome', 'deliverd'], 'did you mean "delivered"?');
    await refused(['events', 'list', '--limit', 'abc'], '--limit "abc" is no number');
    await refused(['events', 'list', '--since', 'yesterday'], '--since "yesterday" is no time');
    expect(await trotline(['hooks', 'stats', 'veth-gon'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('veth-gone'),
    });
  });

  it('N29: switches a hook off and on, under the name of the user', async () => {
    expect(await trotline(['hooks', 'disable', 'veth-gone'])).toMatchObject({
      code: 0,
      stdout: 'veth-gone disabled\n',
    });
    expect(hooks.hook('trotline/veth-gone').spec.enabled).toBe(false);
    expect(store.audit_[0]).toMatchObject({ who: userInfo().username, subject: 'trotline/veth-gone' });
    const { stdout } = await trotline(['hooks', 'enable', 'veth-gone', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([{ hook: 'trotline/veth-gone', enabled: true }]);
    expect((await trotline(['hooks', 'follow-file', 'veth-gone'])).stdout).toBe(
      'veth-gone follows its file again (enabled)\n',
    );
    const typo = await trotline(['hooks', 'disable', 'veth-gon']);
    expect([typo.code, typo.stderr]).toEqual([
      1,
      'error: there is no hook "trotline/veth-gon"; did you mean "trotline/veth-gone"?\n',
    ]);
  });

  it('lists hooks with what was refused on stderr, and shows one with every default', async () => {
    const { stdout, stderr } = await trotline(['hooks', 'list', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        hook: 'trotline/veth-gone',
        condition: "interface =~ 'veth.*' AND message_type == 17",
        actions: 'script /bin/true',
        enabled: true,
      },
    ]);
    expect(stderr).toContain('error: hook "bad" refused (1 problem)');
    const shown = (await trotline(['hooks', 'show', 'veth-gone'])).stdout;
    expect(shown).toContain('giveUpAfter: 15m');
    expect(shown).toContain('timeout: 30s');
  });

  it('tests a hook against the last event; exit code 1 when it would not run', async () => {
    store.add(storedEvent(1));
    const { code, stdout } = await trotline(['hooks', 'test', 'veth-gone', '--event', 'last']);
    expect(code).toBe(1);
    expect(stdout).toContain('veth-gone: would NOT run for link-changed veth3');
    const given = JSON.stringify({ type: 'link-deleted', interface: 'veth3', messageType: 17 });
    expect((await trotline(['hooks', 'test', 'veth-gone', '--event', given])).code).toBe(0);
  });

  it('lists, shows and tails events', async () => {
    store.add(storedEvent(1));
    expect(JSON.parse((await trotline(['events', 'list', '-o', 'json'])).stdout)).toMatchObject([
      { id: 'netlink-life1-1', subject: 'veth3' },
    ]);
    expect((await trotline(['events', 'show', 'netlink-life1'])).stdout).toContain('netlink.link.mtu     1500');
    const stop = new AbortController();
    let seen = '';
    const tail = trotline(['events', 'tail'], stop.signal, (text) => (seen = text));
    let number = 2;
    await eventually(() => {
      store.add(storedEvent(number++));
      return seen !== '';
    });
    stop.abort();
    expect(JSON.parse((await tail).stdout.split('\n')[0] ?? '')).toMatchObject({
      type: 'netlink.link-changed',
      node: 'n1',
    });
  });
});

describe('the whole control plane', () => {
  it('starts on an empty data folder, answers, refuses a second one on it, and stops', async () => {
    const data = join(root, 'data');
    const config = { data, hooks: join(root, 'hooks'), api: '127.0.0.1:0', retention: 60_000, log: 'info' } as const;
    const plane = createControlPlane({ config, log: silent });
    await plane.supervisor.start();
    stack.defer(() => plane.supervisor.stop());
    expect(await (await fetch(`${plane.api.address}/healthz`)).json()).toEqual({ status: 'ok' });
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    const second = createControlPlane({ config, log: silent });
    await expect(second.supervisor.start()).rejects.toThrow('in use');
    expect(JSON.parse(await readFile(join(data, 'api.json'), 'utf8'))).toMatchObject({ address: plane.api.address });
    await plane.supervisor.drainAndStop(AbortSignal.timeout(5000));
    await expect(stat(join(data, 'api.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

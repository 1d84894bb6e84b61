/** `/hooks/stream` as its readers see it, good ones and bad ones: rows L22 to L27 of spec/leanvibe.md. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '#core';

import { HookRegistry } from '../../../control-plane/config/hook-registry.ts';
import { SidecarRegistry } from '../../../control-plane/config/sidecar-registry.ts';
import { HttpApi } from '../../../control-plane/http/api.ts';
import type { AgentFeed } from '../../../control-plane/stream/feed.ts';
import { HookSockets, type SocketLimits } from '../../../control-plane/stream/sockets.ts';
import { manualClock } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';
import { StreamClient } from '../../kit/stream-client.ts';
import { apiParts, FakeStore, feedOf, silent } from '../../unit/control-plane/kit.ts';
import { agentEvent } from '../../unit/control-plane/stream/kit.ts';

let stack: AsyncDisposableStack;
let root: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), 'trotline-stream-'));
  stack.defer(() => rm(root, { recursive: true, force: true }));
});

afterEach(() => stack.disposeAsync());

interface Server {
  readonly sockets: HookSockets;
  readonly feed: AgentFeed;
  readonly token: string;
  readonly address: string;
  readonly api: HttpApi;
  /** Events with these numbers in `agent-n-NUMBER`. */
  tell(from: number, to: number, text?: string): void;
  open(query?: string): Promise<StreamClient>;
}

async function serve(limits: Partial<SocketLimits> = {}, clock = systemClock): Promise<Server> {
  const store = new FakeStore();
  const sockets = new HookSockets(clock, silent, limits);
  const feed = feedOf({ sockets });
  const api = new HttpApi({
    listen: '127.0.0.1:0',
    tokenFile: join(root, 'token'),
    addressFile: join(root, 'api.json'),
    hooks: new HookRegistry({ origins: [], store, log: silent }),
    sidecars: new SidecarRegistry(systemClock),
    ...apiParts(store, sockets),
  });
  await api.start();
  stack.defer(() => api.stop());
  const token = (await readFile(join(root, 'token'), 'utf8')).trim();
  const { address } = api;
  return {
    sockets,
    feed,
    token,
    address,
    api,
    tell(from, to, text = '') {
      const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
      feed.hear({ events: numbers.map((number) => agentEvent({ text }, {}, `agent-n-${number}`)), outcomes: [] });
    },
    async open(query = '') {
      return stack.use(await StreamClient.open(address, token, query));
    },
  };
}

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `agent-n-${from + index}`);

/** A client that opens the stream and then reads nothing at all. */
function deafClient({ address, token }: Server): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  stack.defer(() => void socket.destroy());
  const lines = [
    'GET /hooks/stream HTTP/1.1',
    `host: ${hostname}:${port}`,
    `authorization: Bearer ${token}`,
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    socket.once('error', reject).once('data', () => resolve(socket.pause()));
  });
}

describe('the stream', () => {
  it('L22: tells each event once, in order, as type, data and timestamp', async () => {
    const server = await serve();
    const client = await server.open();
    server.tell(1, 500);
    expect((await client.received(500)).map(({ event_id }) => event_id)).toEqual(ids(1, 500));
    expect(client.messages[0]).toEqual({
      type: 'hook_event',
      data: expect.objectContaining({ hook_type: 'PreToolUse', session_id: 'session-1', priority: 3 }) as unknown,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
    });
  });

  it('L23: takes filters from the address and from a message, which counts from its answer on', async () => {
    const server = await serve();
    const [all, none, later] = [await server.open(), await server.open('?agent_ids='), await server.open()];
    await later.filter({ hook_types: ['Stop'] });
    server.tell(1, 1);
    await all.received(1);
    await later.filter({ min_priority: 3, session_ids: ['session-1'] });
    await none.filter({});
    server.tell(2, 2);
    expect((await later.received(1))[0]?.event_id).toBe('agent-n-2');
    expect((await none.received(1))[0]?.event_id).toBe('agent-n-2');
    expect(later.messages[0]).toMatchObject({ type: 'filter', data: { hook_types: ['Stop'] } });
  });

  it('L23: refuses a filter that is none, and says why', async () => {
    const server = await serve();
    await expect(server.open('?agent=a')).rejects.toThrow(/400 .*\/agent is not a known key/);
    const client = await server.open();
    client.socket.send('{"min_priority": 11}');
    expect(await client.closed).toMatchObject({ code: 1008, reason: expect.stringMatching(/min_priority/) as unknown });
    expect(client.messages.at(-1)).toMatchObject({ type: 'error', data: { issues: [{ path: '/min_priority' }] } });
    const other = await server.open();
    other.socket.send('min_priority: 3');
    expect(await other.closed).toMatchObject({ code: 1008, reason: expect.stringMatching(/no JSON/) as unknown });
  });

  it('L24: a client that filters everything out costs nobody an event', async () => {
    const server = await serve();
    const [all, none] = [await server.open(), await server.open('?session_ids=')];
    server.tell(1, 100);
    await all.received(100);
    expect(none.messages).toEqual([]);
    expect(server.sockets.counts).toMatchObject({ clients: 2, sent: 100, filtered: 100, slow: 0 });
  });

  it('L25: drops a client that does not read, by bytes and by messages, and nobody else notices', async () => {
    const server = await serve({ messages: 500, graceMs: 100 });
    const reading = await server.open();
    await deafClient(server);
    await deafClient(server);
    const text = 'x'.repeat(50_000);
    let told = 0;
    await eventually(async () => {
      server.tell(told + 1, told + 20, text);
      told += 20;
      await reading.received(told);
      return server.sockets.counts.clients === 1;
    });
    expect(reading.events.map(({ event_id }) => event_id)).toEqual(ids(1, told));
    await eventually(() => server.sockets.counts.unsent >= 4);
    expect(server.sockets.counts).toMatchObject({ slow: 2, gone: 0 });
    await eventually(() => server.sockets.counts.sent > told);
  });

  it('L25: tells a client that was too slow that it was', async () => {
    const server = await serve({ messages: 50 });
    const client = await server.open();
    client.socket.pause();
    await eventually(() => {
      server.tell(1, 50, 'x'.repeat(50_000));
      return server.sockets.counts.slow === 1;
    });
    client.socket.resume();
    const { code, reason } = await client.closed;
    expect([code, reason]).toEqual([1013, expect.stringMatching(/^too slow: \d+ messages wait$/)]);
  });

  it('L25: a client that does not answer a ping is gone', async () => {
    const clock = manualClock();
    const server = await serve({ pingMs: 1000 }, clock);
    const reading = await server.open();
    await deafClient(server);
    await eventually(() => server.sockets.counts.clients === 2);
    const ponged = new Promise((resolve) => void reading.socket.once('ping', resolve));
    clock.advance(1000);
    await ponged;
    // What was sent after the pong arrives after it.
    await reading.filter({});
    clock.advance(1000);
    await eventually(() => server.sockets.counts.clients === 1);
    expect(server.sockets.counts).toMatchObject({ gone: 1, slow: 0 });
  });

  it('L26: text of agents arrives as it was, one message each, and steers no terminal', async () => {
    const server = await serve();
    const client = await server.open();
    const raw: string[] = [];
    client.socket.on('message', (data: Buffer) => raw.push(data.toString()));
    const hostile = '"}\n{"type":"x"}\u0000\u001b[2J\u009b31m\u202e\u2028\ud800 </script>';
    server.tell(1, 1, hostile);
    server.tell(2, 2);
    const [first] = await client.received(2);
    expect(first?.payload.message).toBe(hostile);
    expect(raw).toHaveLength(2);
    // eslint-disable-next-line no-control-regex
    expect(raw[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028\ud800]/);
    expect(server.sockets.counts.clients).toBe(1);
  });

  it('L27: goes on through a thousand joins and leaves at random', { timeout: 60_000 }, async () => {
    const server = await serve({ clients: 50 });
    const steady = await server.open();
    let told = 0;
    let joined = 0;
    const come = async (): Promise<void> => {
      while (joined < 1000) {
        joined++;
        const client = await StreamClient.open(server.address, server.token, joined % 3 === 0 ? '?agent_ids=' : '');
        server.tell(told + 1, (told += 1 + (joined % 3)));
        if (joined % 2 === 0) client.socket.close();
        else client.socket.terminate();
        server.tell(++told, told);
        await client.closed;
      }
    };
    await Promise.all(Array.from({ length: 10 }, come));
    expect((await steady.received(told)).map(({ event_id }) => event_id)).toEqual(ids(1, told));
    await eventually(() => server.sockets.counts.clients === 1);
    expect(server.sockets.counts).toMatchObject({ slow: 0, refused: 0 });
  });
});

describe('access to the stream', () => {
  it('is that of the API: a token, and no page of another name', async () => {
    const { address, token } = await serve();
    await expect(StreamClient.open(address, '')).rejects.toThrow(/401 .*token is missing or wrong/);
    await expect(StreamClient.open(address, 'wrong')).rejects.toThrow(/401/);
    await expect(StreamClient.open(address, token, '', { host: 'evil.example' })).rejects.toThrow(/403 .*Host header/);
  });

  it('is by WebSocket alone, and only here', async () => {
    const { address, token } = await serve();
    const plain = await fetch(`${address}/hooks/stream`, { headers: { authorization: `Bearer ${token}` } });
    expect(plain.status).toBe(426);
    await expect(StreamClient.open(`${address}/v1`, token)).rejects.toThrow(/404 .*expected \/hooks\/stream/);
  });

  it('has an end: beyond the limit nobody is taken, until somebody leaves', async () => {
    const server = await serve({ clients: 2 });
    const first = await server.open();
    await server.open();
    await expect(server.open()).rejects.toThrow(/503 .*2 clients read the stream already/);
    expect(server.sockets.counts.refused).toBe(1);
    await first[Symbol.asyncDispose]();
    await eventually(() => server.sockets.counts.clients === 1);
    await server.open();
  });

  it('ends with the control plane', async () => {
    const server = await serve();
    const client = await server.open();
    await server.api.stop();
    expect((await client.closed).code).not.toBe(1005);
  });
});

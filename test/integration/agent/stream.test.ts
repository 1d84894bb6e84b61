/** `/hooks/stream` with real WebSocket clients, fed by agents that ask a real node. */
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { dataFiles } from '#control-plane';

import type { HookEventView } from '../../../control-plane/agent-events.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, GUARD_HOOK, startNode } from './kit.ts';

const ALL_HOOK = GUARD_HOOK.replace('name: guard', 'name: all').replace('  eventTypes: [PreToolUse]\n', '');
const start = (): Promise<Thread> => startNode({ hooks: { 'all.yaml': ALL_HOOK } });

interface Message {
  readonly type: string;
  readonly data: HookEventView;
  readonly timestamp: string;
}

interface Client extends AsyncDisposable {
  readonly socket: WebSocket;
  readonly got: Message[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

async function connect(node: Thread, query = ''): Promise<Client> {
  const token = (await readFile(dataFiles(node.folder).token, 'utf8')).trim();
  const address = node.controlPlane.api.address.replace('http', 'ws');
  const socket = new WebSocket(`${address}/hooks/stream${query}`, { headers: { authorization: `Bearer ${token}` } });
  const got: Message[] = [];
  socket.on('message', (data: Buffer) => got.push(JSON.parse(String(data)) as Message));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise<void>((resolve, reject) => socket.once('open', () => resolve()).once('error', reject));
  return {
    socket,
    got,
    closed,
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed;
    },
  };
}

const count = (client: Client, wanted: number): Promise<void> =>
  eventually(() => expect(client.got).toHaveLength(wanted), { timeoutMs: 10_000 });

describe('the stream of agents’ events', () => {
  it('L22: gives each client each event, in order, in the documented form', async () => {
    await using node = await start();
    await using one = await connect(node);
    await using two = await connect(node);
    for (let at = 0; at < 20; at++) await ask(node, bash(`echo ${at}`, { agent_id: 'agent-1' }));
    for (const client of [one, two]) {
      await count(client, 20);
      expect(client.got.map(({ data }) => (data.payload.parameters as { command: string }).command)).toEqual(
        Array.from({ length: 20 }, (_, at) => `echo ${at}`),
      );
    }
    expect(one.got[0]).toMatchObject({
      type: 'hook_event',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      data: {
        hook_type: 'PreToolUse',
        agent_id: 'agent-1',
        session_id: 'session-1',
        correlation_id: expect.stringContaining('toolu_') as unknown,
        priority: 3,
        metadata: { node: 'test-node' },
      },
    });
    const [stored] = await node.events('?limit=1');
    expect(one.got.at(-1)?.data.event_id).toBe(stored?.id);
  });

  it('L23: lets pass what its filter names, and nothing where a list is empty', async () => {
    const passes = {
      '': ['a', 'b', 'c', 'd'],
      '?agent_ids=agent-1': ['a'],
      '?hook_types=Stop': ['c'],
      '?session_ids=session-2': ['b'],
      '?min_priority=3': ['a', 'b', 'c'],
      '?min_priority=2': ['c'],
      '?min_priority=1': [],
      '?agent_ids=': [],
      '?hook_types=PreToolUse&min_priority=5&session_ids=session-1': ['a'],
    };
    await using node = await start();
    await using clients = new AsyncDisposableStack();
    const all = clients.use(await connect(node));
    const filtered = await Promise.all(
      Object.keys(passes).map(async (query) => clients.use(await connect(node, query))),
    );
    await ask(node, bash('ls', { agent_id: 'agent-1' }));
    await ask(node, bash('ls', { agent_id: 'agent-2', session_id: 'session-2' }));
    await ask(node, { hook_event_name: 'Stop', session_id: 'session-1', agent_id: 'c' });
    await ask(node, { hook_event_name: 'Notification', session_id: 'session-1', agent_id: 'd', message: 'x' });
    await count(all, 4);
    const names = new Map(all.got.map(({ data }, at) => [data.event_id, ['a', 'b', 'c', 'd'][at]]));
    await eventually(() => {
      const seen = filtered.map((client) => client.got.map(({ data }) => names.get(data.event_id)));
      expect(Object.fromEntries(Object.keys(passes).map((query, at) => [query, seen[at]]))).toEqual(passes);
    });
  });

  it('L23: takes another filter in a message, and refuses one that is none with what was expected', async () => {
    await using node = await start();
    await using client = await connect(node);
    client.socket.send('{"hook_types":["Stop"]}');
    await eventually(async () => {
      await ask(node, { hook_event_name: 'Stop', session_id: 'session-1' });
      expect(client.got.some(({ data }) => data.hook_type === 'Stop')).toBe(true);
    });
    await ask(node, bash('ls', { session_id: 'filtered' }));
    await ask(node, { hook_event_name: 'Stop', session_id: 'last' });
    await eventually(() => expect(client.got.at(-1)?.data.session_id).toBe('last'));
    expect(client.got.some(({ data }) => data.session_id === 'filtered')).toBe(false);
    client.socket.send('{"agent":["x"]}');
    expect(await client.closed).toMatchObject({ code: 1008, reason: expect.stringContaining('agent') as unknown });
    await using wrong = await connect(node, '?min_priority=high');
    expect(await wrong.closed).toMatchObject({
      code: 1008,
      reason: expect.stringContaining('min_priority') as unknown,
    });
  });

  it('L24: a client that wants nothing changes nothing', async () => {
    await using node = await start();
    await using nothing = await connect(node, '?hook_types=');
    expect(await ask(node, bash('ls'))).toMatchObject({ status: 200 });
    await using all = await connect(node);
    await ask(node, bash('ls'));
    await eventually(() => expect(all.got.length).toBeGreaterThan(0));
    expect(nothing.got).toEqual([]);
  });

  it('L25: a client that does not read is dropped and told; the others and the agents do not notice', async () => {
    await using node = await start();
    await using deaf = await connect(node);
    await using other = await connect(node);
    deaf.socket.pause();
    const large = 'x'.repeat(90_000);
    let asked = 0;
    await eventually(
      async () => {
        const startedAt = performance.now();
        await ask(node, bash(`echo ${large}`));
        asked++;
        expect(performance.now() - startedAt).toBeLessThan(1000);
        if (asked < 150) throw new Error('more');
      },
      { timeoutMs: 30_000, intervalMs: 0 },
    );
    await count(other, asked);
    deaf.socket.resume();
    expect(await deaf.closed).toMatchObject({
      code: expect.toSatisfy((code: number) => code === 4000 || code === 1006) as unknown,
    });
    expect(deaf.got.length).toBeLessThan(asked);
  });

  it('L26: passes hostile text on as text', async () => {
    await using node = await start();
    await using client = await connect(node);
    await ask(node, bash('echo "\u0000\u001b[31m\u2028\ud800</script>"'));
    await ask(
      node,
      `{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"t","tool_input":{"__proto__":{"a":1},"n":1e999}}`,
    );
    await count(client, 2);
    expect(client.got[0]?.data.payload.parameters).toMatchObject({
      command: expect.stringContaining('\u001b[31m\u2028') as unknown,
    });
  });

  it('L27: who comes and goes meanwhile fails no hook', async () => {
    await using node = await start();
    const coming = Array.from({ length: 100 }, async (_, at) => {
      for (let round = 0; round < 10; round++) {
        const client = await connect(node, at % 2 === 0 ? '' : '?min_priority=1');
        if (round % 2 === 0) client.socket.terminate();
        else client.socket.close();
        await client.closed;
      }
    });
    let asked = 0;
    const asking = (async () => {
      for (; asked < 300; asked++) expect((await ask(node, bash(`echo ${asked}`))).status).toBe(200);
    })();
    await Promise.all([...coming, asking]);
    await using last = await connect(node, '?session_ids=last');
    await ask(node, bash('ls', { session_id: 'last' }));
    await count(last, 1);
  }, 60_000);

  it('is for those alone who may read the API', async () => {
    await using node = await start();
    const address = node.controlPlane.api.address.replace('http', 'ws');
    for (const [path, headers, status] of [
      ['/hooks/stream', {}, 401],
      ['/hooks/stream', { authorization: 'Bearer x' }, 401],
      ['/elsewhere', {}, 404],
    ] as const) {
      const socket = new WebSocket(`${address}${path}`, { headers });
      const answered = await new Promise<number>((resolve) => {
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
        socket.on('error', () => undefined);
      });
      socket.terminate();
      expect(answered).toBe(status);
    }
  });
});

describe('the health of agents’ hooks', () => {
  it('L38: is answered without a token, as JSON, with a status for probes', async () => {
    await using node = await start();
    await ask(node, bash('rm -rf /'));
    const address = `${node.controlPlane.api.address}/health/hooks`;
    await eventually(async () => {
      const response = await fetch(`${address}?probe=1`);
      const body: unknown = await response.json();
      expect(body).toMatchObject({
        status: 'healthy',
        metrics: { hooks_processed: 1, hooks_blocked: 1, security_validations: 1 },
      });
      expect(response.status).toBe(200);
    });
  });
});

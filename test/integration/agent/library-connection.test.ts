import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createNetServer, type Server, type Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { createHooks } from '../../../agent/index.ts';
import { eventually } from '../../kit/eventually.ts';

describe('the connection of the library', () => {
  async function listening(server: Server): Promise<string> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
  }
  const answer = JSON.stringify({ success: true, security_decision: null, event_id: 'agent-1' });

  it('is one that stays, with the token of the moment', async () => {
    const seen: unknown[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((request, response) => {
      sockets.add(request.socket);
      seen.push([request.method, request.url, request.headers.authorization]);
      request.resume().on('end', () => response.end(answer));
    });
    const url = await listening(server);
    let turn = 0;
    const hooks = createHooks({ url: `${url}/base/`, token: async () => `t-${++turn}`, timeoutMs: 2500 });
    for (let round = 0; round < 3; round++)
      expect(await hooks.processHook({ hookType: 'Stop' })).toMatchObject({ success: true });
    const asked = ['POST', '/base/v1/hooks?dialect=neutral&timeout=2.5'];
    expect(seen).toEqual([1, 2, 3].map((number) => [...asked, `Bearer t-${number}`]));
    expect(sockets.size).toBe(1);
    hooks.close();
    await eventually(() => expect([...sockets][0]?.destroyed).toBe(true));
  });

  it('is not opened without a token, however long that takes', async () => {
    const url = await listening(createServer());
    const never = createHooks({ url, token: () => new Promise<string>(() => undefined), timeoutMs: 50 });
    expect((await never.processHook({ hookType: 'Stop' })).error).toMatch(/no answer within 50 ms$/);
    const refused = createHooks({ url, token: () => Promise.reject(new Error('no token here')) });
    expect((await refused.processHook({ hookType: 'Stop' })).error).toMatch(/no token here$/);
  });

  it('is opened anew when the other side has ended it just now', async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        // The second question of a connection finds it closed.
        if (++asked === 2) request.socket.destroy();
        else response.end(answer);
      });
    });
    const hooks = createHooks({ url: await listening(server), token: 'x' });
    for (let round = 0; round < 2; round++)
      expect(await hooks.processHook({ hookType: 'Stop' })).toMatchObject({ success: true });
    expect(asked).toBe(3);
    hooks.close();
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes', /JSON/],
    ['another JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}', /the answer\/security_decision is undefined/],
    [
      'a refusal',
      'HTTP/1.1 401 No\r\ncontent-length: 19\r\n\r\n{"error":"who? you"',
      /it refused \(401\): \{"error":"who/,
    ],
    [
      'a refusal that says why',
      'HTTP/1.1 413 No\r\ncontent-length: 19\r\n\r\n{"error":"too big"}',
      /it refused \(413\): too big$/,
    ],
    ['a cut', 'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{}', /aborted/],
    ['no HTTP', 'SSH-2.0\r\n\r\n', /Parse Error/],
    ['silence', '', /no answer within 200 ms/],
    ['an endless body', 'HTTP/1.1 200 OK\r\n\r\n{', /no answer within 200 ms/],
  ])('that gives %s is no consent', async (what, bytes, reason) => {
    const sockets = new Set<Socket>();
    const server = createNetServer((socket) => {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .once('data', () => {
          if (what === 'a cut') socket.end(bytes);
          else socket.write(bytes);
        });
    });
    const url = await listening(server);
    const hooks = createHooks({ url, token: 'x', timeoutMs: 200, onFailure: 'closed' });
    const result = await hooks.processHook({ hookType: 'PreToolUse' });
    expect(result).toMatchObject({ success: false, proceed: false, decision: 'deny' });
    expect(result.error).toMatch(reason);
    hooks.close();
    for (const socket of sockets) socket.destroy();
  });
});

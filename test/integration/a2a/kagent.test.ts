/** kagent's controller as khook calls it, and agents that fail. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { json } from 'express';
import { describe, expect, it } from 'vitest';

import { type HttpPeer, mountAgent, startPeer } from '../../kit/a2a.ts';
import { asking } from './kit.ts';

/** Sessions at `/api/sessions`, the agent at `/api/a2a/agents/doctor/`. */
async function kagent(version: '1.0' | '0.3', card: string | null = '.well-known/agent-card.json') {
  const peer = await startPeer();
  const sessions: unknown[] = [];
  peer.app.post('/api/sessions', json(), (request, response) => {
    sessions.push(request.body);
    response.json({ error: false, data: { id: 'session-7', name: 'x' }, message: 'created' });
  });
  const diary = mountAgent(peer, '/api/a2a/agents/doctor/', { version, behave: (turn) => turn.say('rest'), card });
  return { peer, sessions, ...diary, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
}

const options = (peer: HttpPeer, more: object = {}) => ({
  kagent: { agent: 'agents/doctor', url: peer.origin, ...more },
});

describe.each(['1.0', '0.3'] as const)('an agent of kagent, A2A %s', (version) => {
  it.each(['.well-known/agent-card.json', '.well-known/agent.json', null])(
    'H12: is called in a session of its own, with its card at %s',
    async (card) => {
      await using controller = await kagent(version, card);
      const { peer, sessions, asked } = controller;
      await using action = asking({ ...options(peer), bearer: 'key-of-kagent' });
      expect(await action.handle()).toMatchObject({ status: 'delivered', output: 'rest' });
      expect(sessions).toEqual([{ agent_ref: 'agents/doctor', name: expect.stringMatching(/^hook-oom-kill-\d{10}$/) }]);
      expect(asked.map(({ contextId }) => contextId)).toEqual(['session-7']);
      const posts = peer.seen.filter(({ method }) => method === 'POST');
      expect(new Set(posts.map(({ path }) => path))).toEqual(new Set(['/api/sessions', '/api/a2a/agents/doctor/']));
      for (const { headers } of posts) {
        expect(headers['x-user-id']).toBe('admin@kagent.dev');
        expect(headers.authorization).toBe('Bearer key-of-kagent');
      }
    },
  );
});

describe('an agent that cannot be asked', () => {
  it.each([
    [503, {}, 'retry', 'agent answered 503'],
    [429, { 'retry-after': '7' }, 'retry', 'agent answered 429'],
    [302, { location: 'http://127.0.0.1:1' }, 'rejected', 'redirects are not followed'],
    [200, {}, 'rejected', 'is no JSON object'],
  ] as const)('answers %s: %s %s', async (status, headers, result, reason) => {
    await using controller = await kagent('1.0');
    controller.peer.fault = (_, response) => {
      response.status(status).set(headers).send('<html>');
      return true;
    };
    await using action = asking(options(controller.peer));
    const answer = await action.handle();
    expect(answer).toMatchObject({ status: result, reason: expect.stringContaining(reason) });
    if (status === 429) expect(answer).toMatchObject({ afterMs: 7000 });
  });

  it('has no session to give', async () => {
    await using controller = await kagent('1.0');
    controller.peer.fault = (request, response) => {
      if (request.path !== '/api/sessions') return false;
      response.json({ error: true, message: 'no such agent' });
      return true;
    };
    await using action = asking(options(controller.peer));
    expect(await action.handle()).toMatchObject({
      status: 'rejected',
      reason: 'kagent opened no session: no such agent',
    });
    expect(controller.asked).toEqual([]);
  });

  it('is not there', async () => {
    const peer = await startPeer();
    await peer[Symbol.asyncDispose]();
    await using action = asking(options(peer));
    expect(await action.handle()).toMatchObject({ status: 'retry', reason: expect.stringContaining('ECONNREFUSED') });
  });

  it('never answers: the attempt ends in time', async () => {
    await using controller = await kagent('1.0');
    controller.peer.fault = () => true;
    await using action = asking({ ...options(controller.peer), timeout: '1s' });
    expect(await action.handle()).toMatchObject({ status: 'retry', timedOut: true, reason: 'agent not reached in 1s' });
  });
});

it('an agent behind a proxy is called through it, and never past it', async () => {
  await using controller = await kagent('1.0');
  const through: string[] = [];
  const proxy = createServer((request, response) => {
    through.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  try {
    await using action = asking({ ...options(controller.peer), proxy: `http://127.0.0.1:${port}` });
    expect(await action.handle()).toMatchObject({ status: 'retry', reason: 'agent answered 502' });
    expect(through[0]).toBe(`GET ${controller.peer.origin}/api/a2a/agents/doctor/.well-known/agent-card.json`);
    expect(controller.peer.seen).toEqual([]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

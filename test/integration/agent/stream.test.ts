/** From an agent at its node's socket to a reader of the live stream. */
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { dataFiles } from '#control-plane';

import { StreamClient } from '../../kit/stream-client.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, EVERYTHING, GUARD_HOOK, startNode } from './kit.ts';

async function open(node: Thread, query = ''): Promise<StreamClient> {
  const token = (await readFile(dataFiles(node.folder).token, 'utf8')).trim();
  return StreamClient.open(node.controlPlane.api.address, token, query);
}

const neutral = (hook_type: string, parts: object = {}): object => ({
  hook_type,
  agent_id: 'agent-7',
  session_id: 'session-9',
  correlation_id: 'task-3',
  payload: { tool_name: 'Read', parameters: { file_path: 'a.txt' } },
  ...parts,
});

describe('the stream of a node', () => {
  it('L22: has every event of every agent, with its verdict, where a hook wants everything', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK, 'everything.yaml': EVERYTHING } });
    await using client = await open(node);
    await ask(node, bash('rm -rf /'));
    await ask(node, neutral('PreToolUse'));
    await ask(node, neutral('Notification', { payload: { message: 'hello' } }));
    await ask(node, neutral('Error', { priority: 1, payload: { message: 'it broke' } }));
    const [denied, read, told, failed] = await client.received(4);
    expect(denied).toMatchObject({
      hook_type: 'PreToolUse',
      session_id: 'session-1',
      payload: { tool_name: 'Bash', command: 'rm -rf /', parameters: { command: 'rm -rf /' } },
      metadata: { type: 'agent.pre-tool-use', verdict: 'deny', risk: 'CRITICAL', hook: 'trotline/guard' },
    });
    expect(read).toMatchObject({
      agent_id: 'agent-7',
      session_id: 'session-9',
      correlation_id: 'task-3',
      priority: 3,
      payload: { tool_name: 'Read', parameters: { file_path: 'a.txt' }, path: 'a.txt' },
    });
    expect(told).toMatchObject({ hook_type: 'Notification', priority: 5, payload: { message: 'hello' } });
    expect(failed).toMatchObject({ hook_type: 'Error', priority: 1 });
  });

  it('L2, L24: an agent is answered the same with a client that filters all, and with the id that the stream has', async () => {
    await using node = await startNode({ hooks: { 'everything.yaml': EVERYTHING } });
    await using all = await open(node);
    await using none = await open(node, '?hook_types=');
    const { body } = await ask(node, neutral('PreToolUse'));
    expect(body).toMatchObject({ success: true, error: null });
    const [event] = await all.received(1);
    expect(event?.event_id).toBe(body.event_id);
    expect(none.messages).toEqual([]);
  });

  it('tells an event once, however many hooks want it and however often they are told of', async () => {
    const second = EVERYTHING.replace('name: everything', 'name: again');
    await using node = await startNode({ hooks: { 'everything.yaml': EVERYTHING, 'again.yaml': second } });
    await using client = await open(node);
    for (let asked = 0; asked < 5; asked++) await ask(node, neutral('PreToolUse'));
    await client.received(5);
    await ask(node, neutral('Stop'));
    const events = await client.received(6);
    expect(events.map(({ hook_type }) => hook_type)).toEqual([...Array<string>(5).fill('PreToolUse'), 'Stop']);
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(6);
  });
});

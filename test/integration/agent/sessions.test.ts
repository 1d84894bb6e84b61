/** Sessions of agents in the history: what they did, and how it is forgotten. */
import { describe, expect, it } from 'vitest';

import type { Session } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, EVERYTHING, GUARD_HOOK, startNode } from './kit.ts';

const HOOKS = { 'guard.yaml': GUARD_HOOK, 'everything.yaml': EVERYTHING };

const forget = (node: Thread, session: string) =>
  node.api<object>('/v1/sessions/forget', { method: 'POST', body: JSON.stringify({ session, who: 'ann' }) });

async function heard(node: Thread, count: number): Promise<void> {
  await eventually(async () => {
    const events = await node.events();
    const open = events.filter(({ hooks }) => hooks.length === 0 || hooks.some(({ outcome }) => outcome === 'pending'));
    if (events.length !== count || open.length > 0) throw new Error(`${events.length} events, ${open.length} open`);
  });
}

let uses = 0;

async function used(node: Thread, session: string, tool: string, parts: object = {}): Promise<void> {
  const call = { session_id: session, tool_name: tool, tool_input: {}, tool_use_id: `use-${++uses}` };
  await ask(node, bash('', call));
  await ask(node, bash('', { ...call, hook_event_name: 'PostToolUse', tool_response: 'x', ...parts }));
}

describe('a session of an agent', () => {
  it('L20: is summed up in the history: uses of each tool, and what was refused', async () => {
    await using node = await startNode({ hooks: HOOKS });
    await used(node, 's-1', 'Read');
    await used(node, 's-1', 'Read');
    await used(node, 's-1', 'Edit', { hook_event_name: 'PostToolUseFailure' });
    await ask(node, bash('rm -rf /', { session_id: 's-1' }));
    await used(node, 's-2', 'Read');
    await heard(node, 9);
    const [second, first] = await node.api<Session[]>('/v1/sessions');
    expect([first?.session, second?.session]).toEqual(['s-1', 's-2']);
    expect(first).toMatchObject({ events: 7, refused: 1, node: 'test-node' });
    expect(first?.tools).toEqual({
      Read: { count: 2, success_count: 2, error_count: 0 },
      Edit: { count: 1, success_count: 0, error_count: 1 },
      Bash: { count: 1, success_count: 0, error_count: 1 },
    });
    expect(await node.api<Session>('/v1/session?session=s-1')).toEqual(first);
    expect(await node.events('?session=s-2')).toHaveLength(2);
    // Counted once, however often it is asked for, also by the next control plane.
    await node.stopControlPlane();
    await node.startControlPlane();
    expect((await node.api<Session[]>('/v1/sessions')).map(({ events }) => events)).toEqual([2, 7]);
  });

  it('is forgotten with all that is stored of it, and only it; that is an audit record', async () => {
    await using node = await startNode({ hooks: HOOKS });
    await ask(node, bash('rm -rf /', { session_id: 's-1' }));
    await used(node, 's-2', 'Read');
    await heard(node, 3);
    expect(await forget(node, 's-1')).toEqual({ session: 's-1', events: 1, approvals: 0, redis: null });
    expect(await node.events('?session=s-1')).toEqual([]);
    expect(await node.events()).toHaveLength(2);
    expect((await node.api<Session[]>('/v1/sessions')).map(({ session }) => session)).toEqual(['s-2']);
    expect(await forget(node, 's-1')).toMatchObject({ events: 0 });
    const audit = await node.api<{ act: string; who: string; subject: string; detail: string }[]>('/v1/audit');
    expect(audit[1]).toMatchObject({
      act: 'session-forgotten',
      who: 'ann',
      subject: 's-1',
      detail: '1 events and 0 approvals deleted',
    });
  });

  it('that is forgotten while a hook still works keeps nobody waiting, and is heard again when it goes on', async () => {
    const slow = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: slow }
spec:
  source: agent
  eventTypes: [Stop]
  giveUpAfter: 2s
  actions: [{ type: webhook, config: { url: "http://127.0.0.1:1/" } }]
`;
    await using node = await startNode({ hooks: { 'slow.yaml': slow } });
    await ask(node, { hook_event_name: 'Stop', session_id: 's-1' });
    await eventually(async () => {
      const [event] = await node.events();
      if (event?.hooks[0]?.outcome !== 'pending') throw new Error('it does not work yet');
    });
    expect(await forget(node, 's-1')).toMatchObject({ events: 1 });
    await ask(node, { hook_event_name: 'Stop', session_id: 's-1' });
    await eventually(
      async () => {
        const [ledger] = await node.ledger();
        if (ledger?.storedSequence !== 2) throw new Error(`stored up to ${ledger?.storedSequence}`);
      },
      { timeoutMs: 15_000 },
    );
    expect(await node.events('?session=s-1')).toHaveLength(1);
  });

  it('names what was wrong with a question about it', async () => {
    await using node = await startNode({ hooks: HOOKS });
    await expect(node.api('/v1/session?session=none')).rejects.toThrow('there is no session \\"none\\"');
    await expect(node.api('/v1/sessions/forget', { method: 'POST', body: '{"who":"ann"}' })).rejects.toThrow(
      '/session',
    );
    await expect(node.api('/v1/stages/web', { method: 'POST', body: '{"enabled":false,"who":"a"}' })).rejects.toThrow(
      'unknown stage \\"web\\"',
    );
  });

  it('L34: stages are switched by the API, which is an audit record', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const body = JSON.stringify({ enabled: false, who: 'ann' });
    expect(await node.api('/v1/stages/websocket', { method: 'POST', body })).toContainEqual({
      stage: 'websocket',
      enabled: false,
    });
    const [record] = await node.api<object[]>('/v1/audit');
    expect(record).toMatchObject({ act: 'stage', who: 'ann', subject: 'websocket', detail: 'enabled: false' });
  });

  it('L38: their health is answered without a token, as JSON, with a status for probes', async () => {
    await using node = await startNode({ hooks: HOOKS });
    await ask(node, bash('rm -rf /'));
    await eventually(async () => {
      const response = await fetch(`${node.controlPlane.api.address}/health/hooks?probe=1`);
      const view: unknown = await response.json();
      expect(view).toMatchObject({ status: 'healthy', metrics: { hooks_blocked: 1 } });
      expect(response.status).toBe(200);
    });
  });
});

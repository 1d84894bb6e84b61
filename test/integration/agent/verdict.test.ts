import { describe, expect, it } from 'vitest';

import { eventually } from '../../kit/eventually.ts';
import { ask, bash, GUARD_HOOK, startNode } from './kit.ts';

describe('an agent that waits', () => {
  it('is told deny for what destroys, ask for what a person should see, and nothing for the rest', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const denied = await ask(node, bash('rm -rf /'));
    expect(denied.status).toBe(200);
    expect(denied.body.hookSpecificOutput).toMatchObject({
      hookEventName: 'PreToolUse',
      permissionDecision: 'deny',
      permissionDecisionReason: expect.stringContaining('delete-system') as unknown,
    });
    const asked = await ask(node, bash('sudo systemctl restart nginx'));
    expect(asked.body.hookSpecificOutput).toMatchObject({ permissionDecision: 'ask' });
    expect((await ask(node, bash('npm test'))).body).toEqual({});
  });

  it('is in the history with its verdict, and its hook has judged it', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    await ask(node, bash('rm -rf /'));
    const [event] = await eventually(async () => {
      const events = await node.fullEvents();
      if (events[0]?.hooks[0]?.outcome !== 'delivered') throw new Error('no outcome yet');
      return events;
    });
    expect(event).toMatchObject({ type: 'agent.pre-tool-use', subject: 'Bash' });
    expect(event?.event.attributes).toMatchObject({
      'agent.session': 'session-1',
      'agent.command': 'rm -rf /',
      'agent.verdict': 'deny',
      'agent.risk': 'CRITICAL',
      'agent.hook': 'trotline/guard',
    });
    await eventually(async () => {
      const [balance] = await node.ledger();
      expect(balance?.ledger.sources.find(({ source }) => source === 'agent')).toMatchObject({ heard: 1, routed: 1 });
    });
  });

  it('L34: is not asked about while its hook is switched off, and is again afterwards', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    const decision = async (): Promise<unknown> => {
      const { hookSpecificOutput } = (await ask(node, bash('rm -rf /'))).body;
      return (hookSpecificOutput as { permissionDecision?: string } | undefined)?.permissionDecision ?? null;
    };
    expect(await decision()).toBe('deny');
    for (const [act, expected] of [
      ['disable', null],
      ['enable', 'deny'],
    ] as const) {
      await node.api(`/v1/hooks/trotline/guard/${act}`, { method: 'POST', body: '{"who":"ann"}' });
      await eventually(async () => {
        const found = await decision();
        if (found !== expected) throw new Error(`decided ${String(found)}`);
      });
    }
  });
});

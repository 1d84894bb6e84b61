import { request } from 'node:http';

import { describe, expect, it } from 'vitest';

import type { Approval, AuditRecord } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { ask, bash, GUARD_HOOK, socketOf, startNode } from './kit.ts';

const QUEUED = `${GUARD_HOOK}  approval: { by: queue, wait: 60s }\n`;
const DECIDED_WITHIN_MS = 100;

async function pending(node: Thread): Promise<Approval> {
  return eventually(async () => {
    const [approval] = await node.api<Approval[]>('/v1/approvals');
    if (!approval) throw new Error('nothing waits');
    return approval;
  });
}

function decide(node: Thread, id: string, act: 'approve' | 'reject', why = ''): Promise<Approval> {
  return node.api(`/v1/approvals/${id}/${act}`, { method: 'POST', body: JSON.stringify({ who: 'dev', why }) });
}

describe('L5: what a hook wants a person to see', () => {
  it('waits until it is approved, and the agent has the answer within 100 ms', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const asked = ask(node, bash('sudo systemctl restart nginx')).then((told) => ({ told, at: performance.now() }));
    const approval = await pending(node);
    expect(approval).toMatchObject({
      state: 'pending',
      hook: 'trotline/guard',
      node: 'test-node',
      asked: { tool: 'Bash', text: 'sudo systemctl restart nginx', risk: 'HIGH', session: 'session-1' },
    });
    const decidedAt = performance.now();
    await decide(node, approval.id, 'approve', 'window is open');
    const { told, at } = await asked;
    expect(at - decidedAt).toBeLessThan(DECIDED_WITHIN_MS);
    expect(told.body.hookSpecificOutput).toMatchObject({
      permissionDecision: 'allow',
      permissionDecisionReason: expect.stringMatching(/^approved by dev: window is open \(HIGH/) as unknown,
    });
  });

  it('is not done when it is rejected, and both are audit records', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const asked = ask(node, bash('sudo reboot-later'));
    const { id } = await pending(node);
    await decide(node, id, 'reject', 'not today');
    expect((await asked).body.hookSpecificOutput).toMatchObject({
      permissionDecision: 'deny',
      permissionDecisionReason: expect.stringContaining('rejected by dev: not today') as unknown,
    });
    await expect(decide(node, id, 'approve')).rejects.toThrow(/is rejected already by dev/);
    await expect(decide(node, 'agent-none-1', 'approve')).rejects.toThrow(/no approval with the id/);
    const [record] = await node.api<AuditRecord[]>('/v1/audit');
    expect(record).toMatchObject({ who: 'dev', act: 'approval-rejected', subject: `trotline/guard ${id}` });
  });

  it('is denied at its deadline', async () => {
    await using node = await startNode({
      hooks: { 'guard.yaml': `${GUARD_HOOK}  approval: { by: queue, wait: 1s }\n` },
    });
    expect((await ask(node, bash('sudo ls'))).body.hookSpecificOutput).toMatchObject({
      permissionDecision: 'deny',
      permissionDecisionReason: expect.stringContaining('nobody answered') as unknown,
    });
    const [approval] = await node.api<Approval[]>('/v1/approvals?state=all');
    expect(approval?.state).toBe('expired');
  });

  it('is denied before the runtime stops waiting, however long the hook would wait', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const startedAt = performance.now();
    const { body } = await ask(node, bash('sudo ls'), '/v1/hooks?timeout=1');
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(body.hookSpecificOutput).toMatchObject({ permissionDecision: 'deny' });
  });

  it('survives a restart of the control plane', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const asked = ask(node, bash('sudo ls'));
    const { id } = await pending(node);
    await node.stopControlPlane();
    await node.startControlPlane();
    expect((await pending(node)).id).toBe(id);
    await decide(node, id, 'approve');
    expect((await asked).body.hookSpecificOutput).toMatchObject({ permissionDecision: 'allow' });
  });

  it('is withdrawn when the agent does not wait any more', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const sent = request({ socketPath: socketOf(node), path: '/v1/hooks', method: 'POST' });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify(bash('sudo ls')));
    const { id } = await pending(node);
    sent.destroy();
    await eventually(async () => {
      const all = await node.api<Approval[]>('/v1/approvals?state=withdrawn');
      expect(all.map((approval) => approval.id)).toEqual([id]);
    });
  });

  it('is asked by the runtime itself where it can, unless the hook says otherwise', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': GUARD_HOOK } });
    expect((await ask(node, bash('sudo ls'))).body.hookSpecificOutput).toMatchObject({ permissionDecision: 'ask' });
    const asked = ask(node, bash('sudo ls'), '/v1/hooks/kagent');
    await decide(node, (await pending(node)).id, 'reject');
    expect((await asked).body).toMatchObject({ decision: 'block' });
  });

  it('shows what the agent sent as text, whatever is in it', async () => {
    await using node = await startNode({ hooks: { 'guard.yaml': QUEUED } });
    const asked = ask(node, bash('sudo echo "\u001b[31m</script>\u202e"'));
    const approval = await pending(node);
    expect(approval.asked.text).toBe('sudo echo "\u001b[31m</script>\u202e"');
    await decide(node, approval.id, 'reject');
    await asked;
  });
});

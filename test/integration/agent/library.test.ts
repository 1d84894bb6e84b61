/** `trotline/agent` against a real node with the guard. */
import { describe, expect, it } from 'vitest';

import { hookContext, HookDenied, Hooks, type HooksOptions, withHooks } from '../../../agent/index.ts';
import type { EventDetail } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { GUARD_HOOK, socketOf, startNode } from './kit.ts';

/** Every event is wanted, so that it is in the history; the guard judges. */
const ALL_HOOK = `apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: all }
spec: { source: agent, mode: audit, actions: [{ type: guard }] }
`;

const start = (): Promise<Thread> => startNode({ hooks: { 'guard.yaml': GUARD_HOOK, 'all.yaml': ALL_HOOK } });
const hooksOf = (node: Thread, options: HooksOptions = {}): Hooks =>
  new Hooks({ socket: socketOf(node), sessionId: 'session-1', ...options });

/** So many events, the oldest first. */
async function heard(node: Thread, count: number): Promise<EventDetail['event'][]> {
  const events = await eventually(async () => {
    const all = await node.fullEvents();
    if (all.length < count) throw new Error(`${all.length} of ${count}`);
    return all;
  });
  return events.map(({ event }) => event).toSorted((a, b) => a.sequence - b.sequence);
}

const told = (events: readonly EventDetail['event'][]): unknown[] =>
  events.map(({ attributes }) => [attributes['agent.event'], attributes['agent.priority']]);

describe('a TypeScript agent', () => {
  it('L1: may tell of each hook type by its name, and of no other', async () => {
    await using node = await start();
    const hooks = hooksOf(node);
    const types = [
      'PreToolUse',
      'PostToolUse',
      'Stop',
      'Notification',
      'SubagentStop',
      'AgentStart',
      'AgentStop',
      'Error',
    ] as const;
    for (const hookType of types) expect((await hooks.processHook({ hookType, agentId: 'a' })).success).toBe(true);
    expect((await heard(node, types.length)).map(({ attributes }) => attributes['agent.event'])).toEqual(types);
    // @ts-expect-error: what the compiler refuses, too
    await expect(hooks.processHook({ hookType: 'PreCoffee', agentId: 'a' })).rejects.toThrow(
      'hookType is "PreCoffee", expected one of PreToolUse, PostToolUse',
    );
  });

  it('L2: gets a result with everything in it, and the id of the event in the history', async () => {
    await using node = await start();
    const result = await hooksOf(node).preToolUse('a', 'Bash', { command: 'rm -rf /' });
    expect(result).toMatchObject({
      success: false,
      error: null,
      decision: 'DENY',
      reason: expect.stringContaining('delete-system') as unknown,
    });
    expect(result.processingTimeMs).toBeGreaterThan(0);
    const [event] = await heard(node, 1);
    expect(event?.id).toBe(result.eventId);
  });

  it('L3: has four helpers with the documented arguments and priorities', async () => {
    await using node = await start();
    const hooks = hooksOf(node);
    // One call: without what they share, the second would be a bypass.
    const correlationId = 'call-1';
    await hooks.preToolUse('a', 'Write', { file_path: 'x' }, { correlationId });
    await hooks.postToolUse('a', 'Write', { result: 'ok' }, { correlationId });
    await hooks.stop('a', 'done');
    await hooks.notification('a', 'info', 'hello');
    const events = await heard(node, 4);
    expect(told(events)).toEqual([
      ['PreToolUse', 3],
      ['PostToolUse', 3],
      ['Stop', 2],
      ['Notification', 5],
    ]);
    expect(events[0]?.attributes).toMatchObject({ 'agent.tool': 'Write', 'agent.path': 'x', 'agent.id': 'a' });
    expect(events[2]?.attributes).toMatchObject({ 'agent.text': 'done' });
    expect(events[3]?.attributes).toMatchObject({ 'agent.text': 'hello' });
  });

  it('L13: does not do what is denied', async () => {
    await using node = await start();
    let done = 0;
    const options = { agentId: 'a', parameters: { command: 'rm -rf /' } };
    const asked = hookContext(hooksOf(node), 'Bash', options, () => ++done);
    await expect(asked).rejects.toBeInstanceOf(HookDenied);
    expect(done).toBe(0);
    expect(
      await hookContext(hooksOf(node), 'Bash', { agentId: 'a', parameters: { command: 'ls' } }, () => ++done),
    ).toBe(1);
  });

  it('L42: has Pre and Post of one operation under one correlation, with results that are nothing, and failures', async () => {
    await using node = await start();
    const hooks = hooksOf(node);
    expect(await hookContext(hooks, 'count', { agentId: 'a' }, () => 0)).toBe(0);
    expect(await hookContext(hooks, 'say', { agentId: 'a' }, () => '')).toBe('');
    const failing = hookContext(hooks, 'fail', { agentId: 'a' }, () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    const events = await heard(node, 6);
    const correlations = events.map(({ attributes }) => attributes['agent.correlation']);
    expect(correlations[0]).toBe(correlations[1]);
    expect(correlations[2]).toBe(correlations[3]);
    expect(new Set(correlations).size).toBe(3);
    expect(events[1]?.attributes).toMatchObject({ 'agent.response': '0' });
    expect(events[5]?.attributes).toMatchObject({ 'agent.priority': 1, 'agent.response': 'broken' });
  });

  it('goes on, or not, without a node, as it was told', async () => {
    const socket = '/nonexistent/agent.sock';
    const open = await new Hooks({ socket }).preToolUse('a', 'Bash', { command: 'ls' });
    expect(open).toMatchObject({
      success: true,
      decision: null,
      error: expect.stringContaining('not reached') as unknown,
    });
    const closed = await new Hooks({ socket, onFailure: 'closed' }).preToolUse('a', 'Bash', { command: 'ls' });
    expect(closed).toMatchObject({ success: false, decision: 'DENY' });
  });
});

class Orchestrator {
  readonly done: string[] = [];

  async spawnAgent(role: string): Promise<string> {
    if (role === 'broken') throw new Error('no room');
    this.done.push(`spawn ${role}`);
    return 'agent-7';
  }

  async shutdownAgent(agentId: string): Promise<boolean> {
    this.done.push(`shutdown ${agentId}`);
    return true;
  }

  async executeTask(task: { readonly id: string; readonly command: string }): Promise<string> {
    this.done.push(`task ${task.id}`);
    return 'r'.repeat(2000);
  }
}

describe('an orchestrator with hooks', () => {
  it('L41: tells three of a spawn, three of a shutdown and two of a task, in order', async () => {
    await using node = await start();
    const { orchestrator } = withHooks(hooksOf(node), new Orchestrator());
    expect(await orchestrator.spawnAgent('tester')).toBe('agent-7');
    expect(await orchestrator.shutdownAgent('agent-7')).toBe(true);
    await orchestrator.executeTask({ id: 'task-1', command: 'npm test' });
    const events = await heard(node, 8);
    expect(told(events)).toEqual([
      ['PreToolUse', 2],
      ['PostToolUse', 2],
      ['Notification', 5],
      ['PreToolUse', 2],
      ['PostToolUse', 2],
      ['Stop', 2],
      ['PreToolUse', 3],
      ['PostToolUse', 3],
    ]);
    expect(events[2]?.attributes).toMatchObject({ 'agent.text': 'Agent agent-7 started with role tester' });
    expect(events[5]?.attributes).toMatchObject({ 'agent.text': 'Agent shutdown requested', 'agent.id': 'agent-7' });
    expect(events[6]?.attributes).toMatchObject({ 'agent.correlation': 'task-1' });
    expect(String(events[7]?.attributes['agent.response'])).toHaveLength(500);
  });

  it('L13: does not run a task that is denied, nor hides what went wrong in a spawn', async () => {
    await using node = await start();
    const { orchestrator } = withHooks(hooksOf(node), new Orchestrator());
    await expect(orchestrator.executeTask({ id: 'task-1', command: 'rm -rf /' })).rejects.toBeInstanceOf(HookDenied);
    expect(orchestrator.done).toEqual([]);
    await expect(orchestrator.spawnAgent('broken')).rejects.toThrow('no room');
    const events = await heard(node, 3);
    expect(events.at(-1)?.attributes).toMatchObject({ 'agent.event': 'PostToolUse', 'agent.priority': 1 });
  });

  it('L43: has its very own methods back afterwards, and tells nothing while it is off', async () => {
    await using node = await start();
    const hooks = hooksOf(node);
    const orchestrator = new Orchestrator();
    const methodOf = (): unknown => Reflect.get(orchestrator, 'executeTask');
    const before = methodOf();
    const { restore } = withHooks(hooks, orchestrator);
    expect(methodOf()).not.toBe(before);
    hooks.enabled = false;
    await orchestrator.executeTask({ id: 'task-1', command: 'rm -rf /' });
    restore();
    expect(methodOf()).toBe(before);
    expect(Object.keys(orchestrator)).toEqual(['done']);
    hooks.enabled = true;
    await hooks.notification('a', 'info', 'the only one');
    expect(await heard(node, 1)).toHaveLength(1);
  });
});

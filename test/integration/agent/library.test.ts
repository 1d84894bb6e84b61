import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { policyForUp } from '#sidecar';

import {
  createHooks,
  HOOK_TYPES,
  HookDenied,
  type HookEvent,
  type Hooks,
  type HooksOptions,
} from '../../../agent/index.ts';
import type { Approval, EventDetail } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import type { Thread } from '../../kit/thread.ts';
import { GUARD_HOOK, socketOf, startNode } from './kit.ts';

/** Events that no hook wants are not in the history. */
const HISTORY = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: history }
spec: { source: agent, mode: audit, actions: [{ type: guard }] }
`;
const HOOKS = { 'guard.yaml': GUARD_HOOK, 'history.yaml': HISTORY };

/** Whoever uses `make` gets `true` in its place, everybody else nothing. */
const REWRITE = `
apiVersion: trotline.dev/v1alpha1
kind: EventHook
metadata: { name: rewrite }
spec:
  source: agent
  eventTypes: [PreToolUse]
  condition: 'agent.command == "make"'
  actions:
    - type: script
      config:
        command: [/usr/bin/printf, '{"hookSpecificOutput":{"updatedInput":{"command":"true"}}}']
        protocol: claude-command
`;

function hooksOf(node: Thread, options: HooksOptions = {}): Hooks {
  const hooks = createHooks({ socket: socketOf(node), ...options });
  onTestFinished(() => hooks.close());
  return hooks;
}

interface Heard {
  readonly id: string;
  readonly type: string;
  readonly is: EventDetail['event']['attributes'];
}

/** The first so many events of the node, in the order in which they came. */
async function heardBy(node: Thread, count: number): Promise<Heard[]> {
  return eventually(async () => {
    const events = (await node.fullEvents()).map(({ id, type, event }) => ({
      id,
      type,
      is: event.attributes,
      at: event.sequence,
    }));
    expect(events).toHaveLength(count);
    return events.sort((a, b) => a.at - b.at);
  });
}

class Orchestrator {
  readonly ran: unknown[][] = [];

  spawnAgent(role: string, options: object = {}): Promise<string> {
    this.ran.push(['spawn', role, options]);
    return Promise.resolve('agent-7');
  }

  shutdownAgent(agent: string, graceful = true): Promise<boolean> {
    this.ran.push(['shutdown', agent, graceful]);
    return Promise.resolve(true);
  }

  executeTask(task: string, work: { readonly command: string }): Promise<string> {
    this.ran.push(['execute', task, work]);
    return Promise.resolve('done '.repeat(200));
  }
}

describe('L1: events of the library', () => {
  it('are heard in all eight types, and of an unknown one its caller learns the known ones', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    for (const hookType of HOOK_TYPES) expect(await hooks.processHook({ hookType })).toMatchObject({ success: true });
    const heard = await heardBy(node, HOOK_TYPES.length);
    expect(heard.map(({ is }) => is['agent.event'])).toEqual(HOOK_TYPES);
    const unknown = { hookType: 'BeforeTool' } as unknown as HookEvent;
    await expect(hooks.processHook(unknown)).rejects.toThrow(`"BeforeTool", expected one of ${HOOK_TYPES.join(', ')}`);
  });
});

describe('L2: the result', () => {
  it('says what was decided and why, how long it took, and the id of the event in the history', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    const result = await hooks.processHook({
      hookType: 'PreToolUse',
      agent: 'a-1',
      session: 's-1',
      payload: { tool_name: 'Bash', parameters: { command: 'rm -rf /' } },
    });
    expect(result).toMatchObject({ success: false, proceed: false, error: null, decision: 'deny', risk: 'CRITICAL' });
    expect(result.reason).toContain('delete-system');
    expect(result.processingTimeMs).toBeGreaterThan(0);
    const [event] = await heardBy(node, 1);
    expect(event?.id).toBe(result.eventId);
    expect(event?.is).toMatchObject({ 'agent.id': 'a-1', 'agent.session': 's-1', 'agent.verdict': 'deny' });
  });

  it('says why there is none when the sidecar is away, and what that means', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const socket = join(node.folder, 'nobody.sock');
    const event = { hookType: 'PreToolUse' } as const;
    const open = await hooksOf(node, { socket }).processHook(event);
    expect(open).toMatchObject({ success: false, proceed: true, decision: null, eventId: null });
    expect(open.error).toMatch(new RegExp(`^the sidecar at ${socket}: .*ENOENT`));
    const closed = await hooksOf(node, { socket, onFailure: 'closed' }).processHook(event);
    expect(closed).toMatchObject({ success: false, proceed: false, decision: 'deny', error: open.error });
  });

  it('is the same over a restart of the sidecar, with connections that were kept', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    const use = { tool: 'Bash', parameters: { command: 'rm -rf /' } };
    const before = await Promise.all([1, 2, 3].map(() => hooks.preToolUse(use)));
    await node.stopSidecar();
    await node.startSidecar();
    const after = await Promise.all([1, 2, 3].map(() => hooks.preToolUse(use)));
    for (const { decision } of [...before, ...after]) expect(decision).toBe('deny');
  });

  it('comes from whatever a program keeps in its parameters', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const parameters: Record<string, unknown> = { command: 'rm -rf /', count: 1n, when: new Date(0), run: () => 1 };
    parameters.itself = parameters;
    expect(await hooksOf(node).preToolUse({ tool: 'Bash', parameters })).toMatchObject({
      decision: 'deny',
      error: null,
    });
    const [event] = await heardBy(node, 1);
    expect(event?.is['agent.input']).toContain('"itself":"[circular]"');
  });
});

describe('L3: the four helpers', () => {
  it('send their payloads with the priorities 3, 3, 2 and 5', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    const who = { agent: 'a-1', session: 's-1', correlation: 'c-1' };
    await hooks.preToolUse({ ...who, tool: 'Read', parameters: { path: '/etc/hosts' } });
    await hooks.postToolUse({ ...who, tool: 'Read', result: 'localhost', executionTimeMs: 12 });
    await hooks.stop({ ...who, reason: 'done', details: { steps: 2 } });
    await hooks.notification({ ...who, level: 'info', message: 'halfway' });
    const heard = await heardBy(node, 4);
    expect(heard.map(({ is }) => [is['agent.event'], is['agent.priority']])).toEqual([
      ['PreToolUse', 3],
      ['PostToolUse', 3],
      ['Stop', 2],
      ['Notification', 5],
    ]);
    const [pre, post, stop, notification] = heard.map(({ is }) => is);
    for (const is of [pre, post, stop, notification])
      expect(is).toMatchObject({ 'agent.id': 'a-1', 'agent.session': 's-1', 'agent.correlation': 'c-1' });
    expect(pre).toMatchObject({ 'agent.tool': 'Read', 'agent.path': '/etc/hosts' });
    expect(post).toMatchObject({ 'agent.tool': 'Read', 'agent.response': 'localhost', 'agent.paired': true });
    expect(stop).toMatchObject({ 'agent.text': 'done' });
    expect(notification).toMatchObject({ 'agent.text': 'halfway' });
  });

  it('take another priority, and refuse one that is none', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    await hooks.notification({ level: 'info', message: 'x', priority: 4 });
    const [event] = await heardBy(node, 1);
    expect(event?.is['agent.priority']).toBe(4);
    await expect(hooks.stop({ reason: 'x', priority: 11 })).rejects.toThrow('priority is 11');
  });
});

describe('L13: a verdict', () => {
  it('stops what it denies: no task, no agent, no body', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    const orchestrator = new Orchestrator();
    using _hooked = hooks.withHooks(orchestrator);
    const task = orchestrator.executeTask('t-1', { command: 'rm -rf /' });
    await expect(task).rejects.toThrow(/^execute_task was not run: deny: .*delete-system.* \(event agent-\w+-1\)$/);
    await expect(task).rejects.toBeInstanceOf(HookDenied);
    let ran = false;
    const body = hooks.hookContext('Bash', { parameters: { command: 'rm -rf /' } }, () => (ran = true));
    await expect(body).rejects.toMatchObject({ tool: 'Bash', result: { decision: 'deny', risk: 'CRITICAL' } });
    expect({ ran, tasks: orchestrator.ran }).toEqual({ ran: false, tasks: [] });
    expect(await orchestrator.executeTask('t-2', { command: 'ls' })).toContain('done');
  });

  it('that rewrites the input decides with what the body runs', async () => {
    const policy = policyForUp({ hooksDirectory: '/usr/bin', user: 'root' });
    await using node = await startNode({ hooks: { 'rewrite.yaml': REWRITE }, policy });
    const hooks = hooksOf(node);
    expect(await hooks.hookContext('Bash', { parameters: { command: 'make' } }, (given) => given)).toEqual({
      command: 'true',
    });
    const parameters = { command: 'ls' };
    expect(await hooks.hookContext('Bash', { parameters }, (given) => given)).toBe(parameters);
  });

  it('of a person is waited for, and obeyed', async () => {
    await using node = await startNode({
      hooks: { 'guard.yaml': `${GUARD_HOOK}  approval: { by: queue, wait: 60s }\n` },
    });
    const hooks = hooksOf(node, { timeoutMs: 60_000 });
    const answers: string[] = [];
    for (const act of ['approve', 'reject']) {
      const run = hooks.hookContext('Bash', { parameters: { command: 'sudo ls' } }, () => answers.push(act));
      const settled = Promise.allSettled([run]);
      const approval = await eventually(async () => {
        const waiting = (await node.api<Approval[]>('/v1/approvals')).find(({ state }) => state === 'pending');
        if (!waiting) throw new Error('nothing waits');
        return waiting;
      });
      await node.api(`/v1/approvals/${approval.id}/${act}`, { method: 'POST', body: JSON.stringify({ who: 'dev' }) });
      expect((await settled)[0].status).toBe(act === 'approve' ? 'fulfilled' : 'rejected');
    }
    expect(answers).toEqual(['approve']);
  });
});

describe('L41: an orchestrator', () => {
  it('tells three events of a spawn, three of a shutdown and two of a task', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const orchestrator = new Orchestrator();
    const hooked = hooksOf(node).withHooks(orchestrator);
    expect(await orchestrator.spawnAgent('tester', { capabilities: ['git'] })).toBe('agent-7');
    expect(await orchestrator.shutdownAgent('agent-7', false)).toBe(true);
    await orchestrator.executeTask('task-1', { command: 'npm test' });
    hooked.restore();

    const heard = (await heardBy(node, 8)).map(({ is }) => is);
    const brief = heard.map((is) => [is['agent.event'], is['agent.tool'], is['agent.priority'], is['agent.id']]);
    expect(brief).toEqual([
      ['PreToolUse', 'spawn_agent', 2, expect.stringMatching(/^[0-9a-f-]{36}$/)],
      ['PostToolUse', 'spawn_agent', 2, 'agent-7'],
      ['Notification', undefined, 5, 'agent-7'],
      ['PreToolUse', 'shutdown_agent', 2, 'agent-7'],
      ['PostToolUse', 'shutdown_agent', 2, 'agent-7'],
      ['Stop', undefined, 2, 'agent-7'],
      ['PreToolUse', 'execute_task', 3, undefined],
      ['PostToolUse', 'execute_task', 3, undefined],
    ]);
    const [spawning, shutting, tasking] = [0, 3, 6].map((at) => heard[at]?.['agent.correlation']);
    expect(heard.map((is) => is['agent.correlation'])).toEqual([
      spawning,
      spawning,
      spawning,
      shutting,
      shutting,
      shutting,
      'task-1',
      'task-1',
    ]);
    expect(new Set([spawning, shutting, tasking]).size).toBe(3);
    expect(heard[2]?.['agent.text']).toBe('Agent agent-7 started with role tester');
    expect(heard[5]?.['agent.text']).toBe('Agent shutdown requested');
    expect(heard[7]?.['agent.response']).toBe(`${'done '.repeat(100)}…`);
  });

  it('spawns while nobody answers, and does not when that is to deny', async () => {
    await using node = await startNode({});
    const socket = join(node.folder, 'nobody.sock');
    const orchestrator = new Orchestrator();
    const open = hooksOf(node, { socket }).withHooks(orchestrator);
    expect(await orchestrator.spawnAgent('tester')).toBe('agent-7');
    open.restore();
    hooksOf(node, { socket, onFailure: 'closed' }).withHooks(orchestrator);
    await expect(orchestrator.spawnAgent('tester')).rejects.toThrow(/deny: the sidecar at .*ENOENT.*onFailure: closed/);
    expect(orchestrator.ran).toHaveLength(1);
  });
});

describe('L42: a hook context', () => {
  it('is a Pre and a Post of one correlation, and keeps what it gives: also 0 and an empty text', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node);
    const results = [0, '', false, { a: 1 }, 'x'.repeat(2000), undefined];
    for (const result of results)
      expect(await hooks.hookContext('count', { agent: 'a-1', session: 's-1' }, () => result)).toBe(result);
    const heard = (await heardBy(node, 2 * results.length)).map(({ is }) => is);
    for (const [at, is] of heard.entries()) {
      expect(is).toMatchObject({ 'agent.tool': 'count', 'agent.priority': 5, 'agent.session': 's-1' });
      expect(is['agent.event']).toBe(at % 2 === 0 ? 'PreToolUse' : 'PostToolUse');
      if (at % 2 === 1) {
        expect(is['agent.correlation']).toBe(heard[at - 1]?.['agent.correlation']);
        expect(is['agent.paired']).toBe(true);
      }
    }
    expect(new Set(heard.map((is) => is['agent.correlation'])).size).toBe(results.length);
    const told = heard.filter((_, at) => at % 2 === 1).map((is) => is['agent.response']);
    expect(told.slice(0, 5)).toEqual(['0', '', 'false', '{"a":1}', `${'x'.repeat(1000)}…`]);
  });

  it('tells of what it throws, urgently, and throws that', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const problem = new Error('no such branch');
    const run = hooksOf(node).hookContext('deploy', { priority: 4, correlation: 'c-9' }, () => Promise.reject(problem));
    await expect(run).rejects.toBe(problem);
    const heard = (await heardBy(node, 2)).map(({ is }) => is);
    expect(heard).toMatchObject([
      { 'agent.event': 'PreToolUse', 'agent.priority': 4, 'agent.correlation': 'c-9' },
      {
        'agent.event': 'PostToolUse',
        'agent.priority': 1,
        'agent.correlation': 'c-9',
        'agent.response': 'no such branch',
      },
    ]);
  });
});

describe('L43: hooks that are switched off', () => {
  it('tell nothing, ask nothing and stop nothing, until they are on again', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const hooks = hooksOf(node, { enabled: false });
    const orchestrator = new Orchestrator();
    hooks.withHooks(orchestrator);
    await orchestrator.executeTask('t-1', { command: 'rm -rf /' });
    expect(await hooks.preToolUse({ tool: 'Bash', parameters: { command: 'rm -rf /' } })).toMatchObject({
      proceed: true,
    });
    expect(orchestrator.ran).toHaveLength(1);
    hooks.enabled = true;
    await expect(orchestrator.executeTask('t-2', { command: 'rm -rf /' })).rejects.toBeInstanceOf(HookDenied);
    const heard = await heardBy(node, 1);
    expect(heard[0]?.is['agent.correlation']).toBe('t-2');
  });

  it('leave the orchestrator as it was after restore', async () => {
    await using node = await startNode({ hooks: HOOKS });
    const orchestrator = new Orchestrator();
    const { restore } = hooksOf(node).withHooks(orchestrator);
    restore();
    expect(Reflect.get(orchestrator, 'executeTask')).toBe(Reflect.get(Orchestrator.prototype, 'executeTask'));
    await orchestrator.executeTask('t-1', { command: 'rm -rf /' });
    expect(orchestrator.ran).toHaveLength(1);
    expect(await node.events()).toEqual([]);
  });
});

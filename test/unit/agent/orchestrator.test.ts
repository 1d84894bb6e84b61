import { describe, expect, it } from 'vitest';

import { HookDenied, type Hooks } from '../../../agent/index.ts';
import { wrapOrchestrator } from '../../../agent/orchestrator.ts';
import { DISABLED, type HookResult } from '../../../agent/result.ts';

interface Seen {
  readonly call: string;
  readonly told: Record<string, unknown>;
}

const DENIED: HookResult = { ...DISABLED, success: false, proceed: false, decision: 'deny', reason: 'not today' };

/** Hooks that remember what they were told and answer as the test wants. */
function fakeHooks(answer: (seen: Seen) => HookResult = () => DISABLED): { hooks: Hooks; seen: Seen[] } {
  const seen: Seen[] = [];
  const hear = (call: string) => (told: object) => {
    seen.push({ call, told: { ...told } });
    return Promise.resolve().then(() => answer({ call, told: { ...told } }));
  };
  const hooks = {
    enabled: true,
    preToolUse: hear('pre'),
    postToolUse: hear('post'),
    stop: hear('stop'),
    notification: hear('notification'),
  };
  return { hooks: hooks as unknown as Hooks, seen };
}

class Orchestrator {
  readonly #ran: unknown[][] = [];
  get ran(): unknown[][] {
    return this.#ran;
  }
  spawnAgent(...args: unknown[]): unknown {
    this.#ran.push(['spawn', ...args]);
    return Promise.resolve('a-1');
  }
  shutdownAgent(...args: unknown[]): unknown {
    this.#ran.push(['shutdown', ...args]);
    return true;
  }
  executeTask(...args: unknown[]): unknown {
    this.#ran.push(['execute', ...args]);
    return 'x'.repeat(600);
  }
}

describe('an orchestrator with hooks', () => {
  it('L43: has the very same methods again after restore, wherever they came from', () => {
    const own = { spawnAgent: () => 'a', execute_task: () => 1, other: () => 2 };
    const before = { ...own };
    const hooked = wrapOrchestrator(own, fakeHooks().hooks, 'open');
    expect(hooked.wrapped).toEqual(['spawnAgent', 'execute_task']);
    expect(own.spawnAgent).not.toBe(before.spawnAgent);
    expect(own.other).toBe(before.other);
    hooked.restore();
    hooked.restore();
    expect(own.spawnAgent).toBe(before.spawnAgent);
    expect(own.execute_task).toBe(before.execute_task);

    const inherited = new Orchestrator();
    {
      using _hooked = wrapOrchestrator(inherited, fakeHooks().hooks, 'open');
      expect(Object.getOwnPropertyNames(inherited).sort()).toEqual(['executeTask', 'shutdownAgent', 'spawnAgent']);
      expect(Object.keys(inherited)).toEqual([]);
    }
    expect(Object.getOwnPropertyNames(inherited)).toEqual([]);
    expect(Reflect.get(inherited, 'spawnAgent')).toBe(Reflect.get(Orchestrator.prototype, 'spawnAgent'));
  });

  it('is refused when it has no such method, is wrapped already, or may not be changed', () => {
    const { hooks } = fakeHooks();
    expect(() => wrapOrchestrator({ spawn: 1 }, hooks, 'open')).toThrow('expected one of spawnAgent, spawn_agent');
    const orchestrator = new Orchestrator();
    const hooked = wrapOrchestrator(orchestrator, hooks, 'open');
    expect(() => wrapOrchestrator(orchestrator, hooks, 'open')).toThrow('wrapped already');
    hooked.restore();
    wrapOrchestrator(orchestrator, hooks, 'open').restore();
    const frozen = Object.freeze({ spawnAgent: () => 'a' });
    expect(() => wrapOrchestrator(frozen, hooks, 'open')).toThrow(TypeError);
    expect(() => wrapOrchestrator(frozen, hooks, 'open')).not.toThrow('wrapped already');
  });

  it('L41: names the role, the agent and the task, however they are handed over', async () => {
    const { hooks, seen } = fakeHooks();
    const orchestrator = new Orchestrator();
    wrapOrchestrator(orchestrator, hooks, 'open');
    await orchestrator.spawnAgent({ role: 'tester', sessionId: 's-1' });
    await orchestrator.shutdownAgent('a-1', false);
    await orchestrator.shutdownAgent({ agent_id: 'a-2' });
    await orchestrator.executeTask('t-1', 'a-1', { command: 'ls' });
    await orchestrator.executeTask({ id: 't-2', agentId: 'a-2' });
    const told = (call: string) => seen.filter((one) => one.call === call).map((one) => one.told);
    expect(told('notification')).toMatchObject([
      { agent: 'a-1', session: 's-1', priority: 5, level: 'info', message: 'Agent a-1 started with role tester' },
    ]);
    expect(told('stop')).toMatchObject([
      { agent: 'a-1', priority: 2, reason: 'Agent shutdown requested', details: { graceful: false } },
      { agent: 'a-2', priority: 2, details: { graceful: true } },
    ]);
    expect(told('pre').slice(3)).toMatchObject([
      { agent: 'a-1', correlation: 't-1', priority: 3, parameters: { command: 'ls', positional: ['t-1', 'a-1'] } },
      { agent: 'a-2', correlation: 't-2', priority: 3 },
    ]);
    expect(told('post').at(-1)?.result).toBe(`${'x'.repeat(500)}…`);
  });

  it('L41: tells of what failed, urgently, and throws it on', async () => {
    const { hooks, seen } = fakeHooks();
    const problem = new Error('no room');
    const orchestrator = { spawnAgent: () => Promise.reject(problem) };
    wrapOrchestrator(orchestrator, hooks, 'open');
    await expect(orchestrator.spawnAgent()).rejects.toBe(problem);
    expect(seen.map(({ call }) => call)).toEqual(['pre', 'post']);
    expect(seen[1]?.told).toMatchObject({ tool: 'spawn_agent', error: 'no room', priority: 1 });
  });

  it('L13: does not run what is denied', async () => {
    const { hooks, seen } = fakeHooks(({ call }) => (call === 'pre' ? DENIED : DISABLED));
    const orchestrator = new Orchestrator();
    wrapOrchestrator(orchestrator, hooks, 'open');
    for (const method of ['spawnAgent', 'shutdownAgent', 'executeTask'] as const)
      await expect(orchestrator[method]('x')).rejects.toThrow(/^\w+ was not run: deny: not today$/);
    await expect(orchestrator.spawnAgent('x')).rejects.toBeInstanceOf(HookDenied);
    expect(orchestrator.ran).toEqual([]);
    expect(seen.every(({ call }) => call === 'pre')).toBe(true);
  });

  it('L13: runs with what the hooks made of the arguments, else with the very same ones', async () => {
    const secret = { token: Symbol('mine') };
    const { hooks } = fakeHooks(({ told }) =>
      told.tool === 'execute_task' ? { ...DISABLED, updatedInput: { command: 'true', positional: ['t-1'] } } : DISABLED,
    );
    const orchestrator = new Orchestrator();
    wrapOrchestrator(orchestrator, hooks, 'open');
    await orchestrator.spawnAgent('tester', secret);
    await orchestrator.executeTask('t-1', { command: 'rm -rf /' });
    expect(orchestrator.ran[0]?.[2]).toBe(secret);
    expect(orchestrator.ran[1]).toEqual(['execute', 't-1', { command: 'true' }]);
  });

  it('L13: does not run with arguments that belong to another call', async () => {
    const { hooks } = fakeHooks(() => ({ ...DISABLED, updatedInput: { command: 'true' } }));
    const orchestrator = new Orchestrator();
    wrapOrchestrator(orchestrator, hooks, 'open');
    await expect(orchestrator.executeTask('t-1', { command: 'ls' })).rejects.toThrow(
      'the rewritten input does not fit',
    );
    expect(orchestrator.ran).toEqual([]);
  });

  it('L41: a hook that fails never breaks a spawn, unless it is to fail closed', async () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    for (const onFailure of ['open', 'closed'] as const) {
      const orchestrator = new Orchestrator();
      wrapOrchestrator(orchestrator, fakeHooks(broken).hooks, onFailure);
      const spawned = orchestrator.spawnAgent('tester');
      if (onFailure === 'open') expect(await spawned).toBe('a-1');
      else await expect(spawned).rejects.toThrow('broken (onFailure: closed)');
    }
    const late = fakeHooks(({ call }) => (call === 'pre' ? DISABLED : broken()));
    const orchestrator = new Orchestrator();
    wrapOrchestrator(orchestrator, late.hooks, 'closed');
    expect(await orchestrator.spawnAgent('tester')).toBe('a-1');
    expect(await orchestrator.shutdownAgent('a-1')).toBe(true);
  });
});

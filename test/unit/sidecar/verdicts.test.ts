import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  type Action,
  agentDraft,
  createHook,
  type Decision,
  DECISIONS,
  EventHookSpec,
  hookId,
  type Judgment,
  parseConfig,
  type Question,
  strictest,
  type Verdict,
} from '#core';

import type { HookRuntime } from '../../../sidecar/hooks/runtime.ts';
import { Verdicts } from '../../../sidecar/verdicts.ts';
import { eventOf, manualClock, silentLog } from '../../kit/action-context.ts';
import { callOf } from '../../kit/agent-call.ts';

type Judge = NonNullable<Action['judge']>;

interface Part {
  readonly judge: Judge;
  readonly spec?: object;
  readonly matches?: (question: { readonly command: unknown }) => boolean;
  readonly places?: HookRuntime['actions'][number]['places'];
}

const LIMIT_MS = 1000;
type Mode = ConstructorParameters<typeof Verdicts>[0]['mode'];

function runtimeOf({ judge, spec = {}, matches, places = null }: Part, index: number): HookRuntime {
  const actions = [{ type: 'script', config: { command: ['/bin/true'] } }];
  const parsed = parseConfig(EventHookSpec, { source: 'agent', actions, ...spec }, 'spec');
  const hook = createHook({
    namespace: 'trotline',
    name: `judge-${index}`,
    form: 'EventHook',
    spec: parsed,
    origin: null,
  });
  return {
    id: hookId(hook),
    hook,
    matches: ({ attributes }) => matches?.({ command: attributes['agent.command'] }) ?? true,
    actions: [{ index: 0, type: 'script', action: { handle: async () => ({ status: 'delivered' }), judge }, places }],
    stop: async () => undefined,
  };
}

function nodeOf(parts: readonly Part[], { ready = true, mode = 'enforce' }: { ready?: boolean; mode?: Mode } = {}) {
  const runtimes = parts.map(runtimeOf);
  const clock = manualClock();
  const hooks = {
    ready,
    route: (event: Question['event']) => runtimes.filter((runtime) => runtime.matches(event)),
    get: (id: string) => runtimes.find((runtime) => runtime.id === id),
  };
  const verdicts = new Verdicts({ hooks, mode, clock, log: silentLog });
  const ask = (command = 'ls'): Promise<Verdict> => {
    const call = callOf({ input: { command } });
    return verdicts.judge({ event: eventOf({ ...agentDraft(call, 0), source: 'agent' }), call }, LIMIT_MS);
  };
  return { clock, ask };
}

const says = (decision: Decision | null, parts: Partial<Judgment> = {}): Part => ({
  judge: () => ({ decision, reason: decision ?? '', ...parts }),
});
const fails = (spec: object = {}): Part => ({ judge: () => Promise.reject(new Error('out of order')), spec });
const silent = (spec: object = {}): Part => ({ judge: () => new Promise(() => undefined), spec });
const later = (decision: Decision | null): Part => ({ judge: async () => ({ decision, reason: '' }) });

describe('a verdict', () => {
  it('A3: is the strictest of all that hooks say, in any order, at once or later', async () => {
    const word = fc.constantFrom<(Decision | null)[]>(null, ...DECISIONS);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(word, fc.boolean()), { maxLength: 8 }), async (words) => {
        const { ask } = nodeOf(words.map(([decision, isLate]) => (isLate ? later(decision) : says(decision))));
        const expected = words.map(([decision]) => decision).reduce<Decision | null>(strictest, null);
        const verdict = await ask();
        expect(verdict.decision).toBe(expected);
        expect(verdict.judged).toHaveLength(words.length);
      }),
      { numRuns: 300 },
    );
  });

  it('names the hook that decided, and gives the reasons of all that say the same', async () => {
    const { ask } = nodeOf([
      says('ask', { reason: 'a' }),
      says('deny', { reason: 'b' }),
      says('deny', { reason: 'c' }),
    ]);
    expect(await ask()).toMatchObject({ decision: 'deny', hook: 'trotline/judge-1', reason: 'b; c' });
  });

  it('A3: judges a rewritten input again, by the hooks that match it then', async () => {
    const rewrites: Part = {
      judge: ({ call }) =>
        call.input.command === 'rm -rf x'
          ? { decision: 'allow', reason: '', updatedInput: { command: 'trash x' } }
          : { decision: null, reason: '' },
    };
    const against: Part = { ...says('deny', { reason: 'no trash' }), matches: ({ command }) => command === 'trash x' };
    expect(await nodeOf([rewrites]).ask('rm -rf x')).toMatchObject({ updatedInput: { command: 'trash x' } });
    const denied = await nodeOf([rewrites, against]).ask('rm -rf x');
    expect(denied).toMatchObject({ decision: 'deny', reason: 'no trash' });
    expect(denied.updatedInput).toBeUndefined();
  });

  it('A3: denies an input that is rewritten without end', async () => {
    let count = 0;
    const { ask } = nodeOf([
      { judge: () => ({ decision: 'allow', reason: '', updatedInput: { command: `echo ${++count}` } }) },
    ]);
    expect(await ask()).toMatchObject({ decision: 'deny', reason: expect.stringContaining('rewritten') as unknown });
    expect(count).toBeLessThan(10);
  });

  it('is not changed by hooks in audit mode, which record what they would have said', async () => {
    const { ask } = nodeOf([{ ...says('deny'), spec: { mode: 'audit' } }, says('allow')]);
    const verdict = await ask();
    expect(verdict).toMatchObject({ decision: 'allow' });
    expect(verdict.judged[0]?.attempts[0]?.detail).toBe('would be deny: deny');
  });

  it('L12, L48: is recorded and not told where the node is in audit, and not asked for where judging is off', async () => {
    const audit = await nodeOf([says('deny')], { mode: 'audit' }).ask();
    expect(audit).toMatchObject({ decision: null });
    expect(audit.judged[0]?.attempts[0]?.detail).toBe('would be deny: deny');
    expect(await nodeOf([says('deny')], { mode: 'off' }).ask()).toMatchObject({ decision: null, judged: [] });
  });

  it('is refused, not guessed, before the first hooks are there', async () => {
    await expect(nodeOf([], { ready: false }).ask()).rejects.toMatchObject({ code: 'PEER_UNAVAILABLE' });
  });
});

describe('A8: a hook that is broken', () => {
  it.each([
    ['throws', fails],
    ['is silent', silent],
    [
      'throws at once',
      (spec: object): Part => ({
        judge: () => {
          throw new Error('at once');
        },
        spec,
      }),
    ],
  ])('when it %s, has not denied: `onFailure` decides', async (_how, part) => {
    for (const [spec, decision] of [
      [{}, null],
      [{ onFailure: 'open' }, null],
      [{ onFailure: 'closed' }, 'deny'],
    ] as const) {
      const { ask, clock } = nodeOf([part(spec)]);
      const asked = ask();
      clock.advance(LIMIT_MS);
      const verdict = await asked;
      expect(verdict.decision).toBe(decision);
      expect(verdict.judged[0]?.attempts[0]).toMatchObject({ status: 'rejected' });
    }
  });

  it('does not take away what the others say, nor make it later than the deadline', async () => {
    const { ask, clock } = nodeOf([silent(), later('ask'), fails()]);
    const asked = ask();
    clock.advance(LIMIT_MS - 1);
    const early = await Promise.race([asked, Promise.resolve('waits')]);
    expect(early).toBe('waits');
    clock.advance(1);
    expect(await asked).toMatchObject({ decision: 'ask' });
  });

  it('holds its place no longer than its judgment takes', async () => {
    const places = { of: 'programs', count: 1 };
    let atOnce = 0;
    let most = 0;
    const judge: Judge = async () => {
      most = Math.max(most, ++atOnce);
      await Promise.resolve();
      atOnce--;
      return { decision: null, reason: '' };
    };
    const { ask } = nodeOf([
      { judge, places },
      { judge, places },
      { judge, places },
    ]);
    expect((await ask()).judged).toHaveLength(3);
    expect(most).toBe(1);
  });
});

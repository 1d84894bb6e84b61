import { describe, expect, it } from 'vitest';

import { type Hook, type ObjectSchema, readHookFile, Type, type Vocabulary } from '#core';
import { vocabulary as builtin } from '#plugins/schemas';

/** As the action has it, so far as the form uses it. */
const a2a: ObjectSchema = Type.Object(
  {
    kagent: Type.Object({ agent: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
    prompt: Type.String({ minLength: 1 }),
  },
  { additionalProperties: false },
);
const vocabulary: Vocabulary = { ...builtin, actions: new Map([...builtin.actions, ['a2a', a2a]]) };

const hookOf = (spec: unknown, metadata: object = { name: 'watch', namespace: 'shop' }) =>
  JSON.stringify(
    { apiVersion: 'kagent.dev/v1alpha2', kind: 'Hook', metadata, spec, status: { activeEvents: [] } },
    null,
    2,
  );
const entry = (parts: object = {}) => ({
  eventType: 'oom-kill',
  agentRef: { name: 'doctor' },
  prompt: 'look',
  ...parts,
});
const read = (text: string) => readHookFile(text, 'hook.yaml', vocabulary);
const problems = (spec: unknown, metadata?: object) =>
  read(hookOf(spec, metadata)).refused.flatMap(({ issues }) =>
    issues.map(({ path, message }) => `${path}: ${message}`),
  );
const agents = ({ hooks }: { readonly hooks: readonly Hook[] }) => hooks.map(({ spec }) => spec.actions[0]?.config);

describe("khook's Hook", () => {
  it('H1: becomes one hook for each entry, of its namespace', () => {
    const { hooks } = read(hookOf({ eventConfigurations: [entry(), entry({ eventType: 'pod-restart' }), entry()] }));
    expect(hooks.map(({ namespace, name, form }) => [namespace, name, form])).toEqual([
      ['shop', 'watch.oom-kill', 'Hook'],
      ['shop', 'watch.pod-restart', 'Hook'],
      ['shop', 'watch.oom-kill.2', 'Hook'],
    ]);
    expect(hooks[0]?.spec).toMatchObject({
      source: 'kubernetes',
      eventTypes: ['kubernetes.oom-kill'],
      condition: 'namespace == "shop"',
      dedup: { window: 600_000, scope: 'cluster' },
    });
  });

  it('H1: takes the agent as agentRef and as agentId, of its own namespace where none is named', () => {
    const entries = [
      entry(),
      entry({ agentRef: { name: 'doctor', namespace: 'agents' } }),
      entry({ agentRef: undefined, agentId: 'doctor' }),
      entry({ agentRef: undefined, agentId: 'agents/doctor' }),
      entry({ agentId: 'shop/doctor' }),
    ];
    expect(agents(read(hookOf({ eventConfigurations: entries })))).toMatchObject([
      { kagent: { agent: 'shop/doctor' } },
      { kagent: { agent: 'agents/doctor' } },
      { kagent: { agent: 'shop/doctor' } },
      { kagent: { agent: 'agents/doctor' } },
      { kagent: { agent: 'shop/doctor' } },
    ]);
  });

  it.each([
    ['an empty prompt', { eventConfigurations: [entry({ prompt: '' })] }, '/spec/eventConfigurations/0/prompt'],
    ['no entry', { eventConfigurations: [] }, '/spec/eventConfigurations'],
    ['no list', {}, '/spec/eventConfigurations'],
    [
      'an unknown type',
      { eventConfigurations: [entry({ eventType: 'pod-lost' })] },
      '/spec/eventConfigurations/0/eventType',
    ],
    ['no agent', { eventConfigurations: [entry({ agentRef: undefined })] }, '/spec/eventConfigurations/0/agentRef'],
    [
      'two agents',
      { eventConfigurations: [entry({ agentId: 'other' })] },
      '/spec/eventConfigurations/0/agentId: disagrees',
    ],
    ['an unknown key', { eventConfigurations: [entry({ promt: 'x' })] }, '/spec/eventConfigurations/0/promt'],
    ['an entry that is none', { eventConfigurations: ['x'] }, '/spec/eventConfigurations/0'],
  ])('H2: with %s is refused, and the field is named', (_, spec, path) => {
    const told = problems(spec);
    expect(told.some((problem) => problem.startsWith(path))).toBe(true);
    expect(new Set(told).size).toBe(told.length);
  });

  it('H2: with one bad entry runs the others', () => {
    const { hooks, refused } = read(
      hookOf({ eventConfigurations: [entry({ prompt: '' }), entry({ eventType: 'pod-pending' })] }),
    );
    expect(hooks.map(({ name }) => name)).toEqual(['watch.pod-pending']);
    expect(refused.map(({ id }) => id)).toEqual(['shop/watch.oom-kill']);
  });

  it('H25: lets no namespace talk itself out of its condition', () => {
    const { hooks, refused } = read(
      hookOf({ eventConfigurations: [entry()] }, { name: 'x', namespace: 'a" OR "a" == "a' }),
    );
    expect(hooks).toEqual([]);
    expect(refused[0]?.issues[0]?.path).toBe('/metadata/namespace');
  });
});

import { describe, expect, it } from 'vitest';

import type { EventDraft, TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread } from '../../kit/thread.ts';
import { besideOf, manual } from './kit.ts';

/** Something happened to a pod of an owner that an agent had changed. */
function consequence(pod: string, depth: number, owner = 'Deployment/web'): Partial<EventDraft> {
  return {
    subject: `shop/${pod}`,
    namespace: 'shop',
    attributes: { name: pod, owner, depth, changed_by: 'annotation kagentFix' },
  };
}

function healing(more: string) {
  const healed: TrotlineEvent[] = [];
  const heard: TrotlineEvent[] = [];
  const action = testAction((event) => {
    (event.type === 'hooks.loop-cut' ? heard : healed).push(event);
    return Promise.resolve({ status: 'delivered' });
  });
  const hooks = {
    'heal.yaml': hookYaml('heal', { spec: `eventTypes: [netlink.link-changed], dedup: { key: [name] }${more}` }),
    'hear.yaml': hookYaml('hear', { spec: 'source: hooks' }),
  };
  return { healed, heard, action, hooks };
}

describe('an action whose consequences are heard', () => {
  it('is repeated as often as its loop may be deep, in the whole cluster, then an event says that it was cut', async () => {
    const { healed, heard, action, hooks } = healing('');
    const { source, emit } = manual();
    await using thread = await startThread({ hooks, sources: [source], actions: [action] });
    await using beside = await besideOf(thread, [action]);
    await emit([1], consequence('web-1', 1));
    await beside.emit([1], consequence('web-2', 1));
    await eventually(() => expect(healed).toHaveLength(2));
    await emit([2], consequence('web-3', 1));
    await eventually(() => expect(healed).toHaveLength(3));
    expect(new Set(healed.map(({ attributes }) => attributes.depth))).toEqual(new Set([1, 2, 3]));

    await emit([3, 4], consequence('web-4', 1));
    await eventually(() => expect(heard).toHaveLength(1));
    expect(heard[0]).toMatchObject({
      subject: 'trotline/heal shop/Deployment/web',
      attributes: { 'hooks.hook': 'trotline/heal', 'hooks.owner': 'Deployment/web', 'hooks.depth': 3 },
    });
    await emit([5], consequence('api-1', 1, 'Deployment/api'));
    await emit([6]);
    await eventually(() => expect(healed).toHaveLength(5));
    const events = await thread.events();
    const dropped = events.filter(({ hooks: each }) => each.some(({ outcome }) => outcome === 'dropped'));
    expect(dropped.map(({ subject }) => subject)).toEqual(['shop/web-4', 'shop/web-4']);
    expect(heard).toHaveLength(1);
  });

  it('is cut at once where the change itself says that it lies deeper', async () => {
    const { healed, heard, action, hooks } = healing(', loop: { depth: 2 }');
    const { source, emit } = manual();
    await using _thread = await startThread({ hooks, sources: [source], actions: [action] });
    await emit([1], consequence('web-1', 3));
    await eventually(() => expect(heard).toHaveLength(1));
    await emit([2], consequence('web-2', 2));
    await eventually(() => expect(healed).toHaveLength(1));
    expect(healed[0]?.attributes.depth).toBe(2);
  });

  it('is one incident for a hook whose key names the depth, however deep it is told to be', async () => {
    const { healed, action, hooks } = healing('');
    const keyed = hooks['heal.yaml'].replace('[name]', '[name, depth]');
    const { source, emit } = manual();
    await using thread = await startThread({ hooks: { 'heal.yaml': keyed }, sources: [source], actions: [action] });
    await emit([1], consequence('web-1', 1));
    await eventually(() => expect(healed).toHaveLength(1));
    await emit([2], consequence('web-2', 1));
    await eventually(() => expect(healed).toHaveLength(2));
    await emit([3], consequence('web-2', 1));
    await eventually(async () => {
      const outcomes = (await thread.events()).flatMap(({ hooks: each }) => each.map(({ outcome }) => outcome));
      expect(outcomes.toSorted()).toEqual(['deduplicated', 'delivered', 'delivered']);
    });
    expect(healed.map(({ attributes }) => attributes.depth)).toEqual([1, 2]);
  });
});

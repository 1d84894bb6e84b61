import { describe, expect, it } from 'vitest';

import type { EventDraft, Result, TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';
import { besideOf, manual } from './kit.ts';

const DELIVERED: Result = { status: 'delivered' };

function grouping(group: string, more = ''): Record<string, string> {
  return { 'a.yaml': hookYaml('storm', { spec: `group: ${group}${more}` }) };
}

/** A pod that cannot pull its image. */
function failing(pod: string, image: string): Partial<EventDraft> {
  const attributes = { image, name: pod, container: 'app', node_name: `node-of-${pod}` };
  return { type: 'netlink.link-changed', subject: `shop/${pod}`, namespace: 'shop', attributes };
}

function collecting() {
  const acted: TrotlineEvent[] = [];
  const action = testAction((event) => {
    acted.push(event);
    return Promise.resolve(DELIVERED);
  });
  return { acted, action };
}

async function outcomes(thread: Thread): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { hooks } of await thread.events()) {
    for (const { outcome } of hooks) counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

const SIX = [1, 2, 3, 4, 5, 6];
const OUTAGE = 'registry.example/shop:1';

describe('a fault that hits many', () => {
  it('is one incident of both nodes: one answer with the list of the affected, and who comes late belongs to it', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: grouping('{ by: [image], wait: 1s }'),
      sources: [source],
      actions: [action],
    });
    await using beside = await besideOf(thread, [action]);
    for (const number of SIX) {
      await emit([number], failing(`web-${number}`, OUTAGE));
      await beside.emit([number], failing(`api-${number}`, OUTAGE));
    }
    await eventually(async () => expect(await outcomes(thread)).toEqual({ delivered: 1, grouped: 11 }), {
      timeoutMs: 10_000,
    });
    expect(acted).toHaveLength(1);
    const { 'group.count': count, 'group.members': members } = acted[0]?.attributes ?? {};
    expect(count).toBe(12);
    const lines = String(members).split('\n');
    expect(lines.toSorted()[0]).toBe('shop/api-1 container app: link-changed on node-of-api-1');
    expect(new Set(lines).size).toBe(12);

    await beside.emit([7], failing('late', OUTAGE));
    await emit([7], failing('other', 'registry.example/other:1'));
    await eventually(async () => expect(await outcomes(thread)).toEqual({ delivered: 2, grouped: 12 }));
    expect(acted.map(({ subject }) => subject)).toEqual([acted[0]?.subject, 'shop/other']);
  });

  it('is told by another sidecar when the one that waited for the others stops', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: grouping('{ by: [image], wait: 3s }'),
      sources: [source],
      actions: [action],
    });
    await using beside = await besideOf(thread, [action]);
    await emit([1], failing('web-1', OUTAGE));
    await eventually(() => thread.sidecar.hooks.load.active === 1);
    await beside.emit([1], failing('api-1', OUTAGE));
    await thread.stopSidecar();
    await eventually(() => expect(acted).toHaveLength(1), { timeoutMs: 10_000 });
    expect(acted[0]?.attributes['group.count']).toBe(2);
  });

  it('keeps its members over a restart of the control plane', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: grouping('{ by: [image], wait: 6s }', ', whenUncoordinated: wait'),
      sources: [source],
      actions: [action],
    });
    await using beside = await besideOf(thread, [action]);
    await emit([1], failing('web-1', OUTAGE));
    await beside.emit([1], failing('api-1', OUTAGE));
    await eventually(() => beside.sidecar.hooks.load.active === 1);
    await thread.stopControlPlane();
    // Heard while nobody coordinates: it joins when somebody does.
    await beside.emit([2], failing('api-2', OUTAGE));
    await thread.startControlPlane();
    await eventually(async () => expect(await outcomes(thread)).toEqual({ delivered: 1, grouped: 2 }), {
      timeoutMs: 20_000,
    });
    expect(acted).toHaveLength(1);
    expect(acted[0]?.attributes['group.count']).toBe(3);
  });

  it('is an incident of its own where an event has none of the fields', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using _thread = await startThread({
      hooks: grouping('{ by: [image, owner], wait: 0s }'),
      sources: [source],
      actions: [action],
    });
    await emit([1, 2]);
    await eventually(() => expect(acted).toHaveLength(2));
    expect(acted.map(({ attributes }) => attributes['group.count'])).toEqual([1, 1]);
  });

  it('tells owners of the same name in two namespaces apart', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: grouping('{ by: [owner], wait: 0s }'),
      sources: [source],
      actions: [action],
    });
    for (const namespace of ['shop', 'shop', 'bank'])
      await emit([1], { namespace, attributes: { owner: 'Deployment/web' } });
    await eventually(async () => expect(await outcomes(thread)).toEqual({ delivered: 2, grouped: 1 }));
    expect(acted.map(({ namespace }) => namespace)).toEqual(['shop', 'bank']);
  });
});

describe('the limit of incidents', () => {
  it('drops what would begin another, in the whole cluster, and says so in the audit once', async () => {
    const { acted, action } = collecting();
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: grouping('{ by: [image], wait: 0s, limit: { incidents: 2, per: 1h } }'),
      sources: [source],
      actions: [action],
    });
    await using beside = await besideOf(thread, [action]);
    await emit([1], failing('web-1', 'a'));
    await beside.emit([1], failing('web-2', 'b'));
    await eventually(() => expect(acted).toHaveLength(2));
    await emit([2], failing('web-3', 'c'));
    await beside.emit([2], failing('web-4', 'd'));
    await emit([3], failing('web-5', 'a'));
    await eventually(async () => expect(await outcomes(thread)).toEqual({ delivered: 2, dropped: 2, grouped: 1 }));
    expect(acted).toHaveLength(2);
    const audit = await thread.api<{ act: string; subject: string; detail: string }[]>('/v1/audit');
    const said = audit.filter(({ act }) => act === 'incident-limit');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ subject: 'trotline/storm' });
    expect(said[0]?.detail).toMatch(/^2 incidents in 1h: .* dropped until /);
  });
});

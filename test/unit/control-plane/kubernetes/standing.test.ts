import { describe, expect, it } from 'vitest';

import { createHook, EventHookSpec, parseConfig } from '#core';

import type { HookSnapshot } from '../../../../control-plane/config/hook-registry.ts';
import type { AppliedHook, SidecarStatus } from '../../../../control-plane/config/sidecar-registry.ts';
import { Standing } from '../../../../control-plane/kubernetes/standing.ts';

const spec = parseConfig(EventHookSpec, { actions: [{ type: 'webhook' }] }, 'test');
const hookOf = (name: string) => createHook({ namespace: 'shop', name, form: 'EventHook', spec, origin: null });

function snapshotOf(count: number): HookSnapshot {
  const hooks = Array.from({ length: count }, (_, index) => hookOf(`hook-${index}`));
  return { set: { hooks }, refused: [] } as unknown as HookSnapshot;
}

function sidecarsOf(count: number, { set }: HookSnapshot, state: AppliedHook['state'] = 'applied'): SidecarStatus[] {
  return Array.from({ length: count }, (_, node) => ({
    node: `node-${node}`,
    hooks: set.hooks.map(({ name, digest }) => ({ hook: `shop/${name}`, digest, state, reason: '', sinceMs: 0 })),
  })) as unknown as SidecarStatus[];
}

describe('how a hook stands', () => {
  it('is what each node said of this version of it', () => {
    const before = snapshotOf(2);
    const [told] = sidecarsOf(1, before, 'failed');
    const standing = new Standing();
    expect(standing.on([told!], 'shop/hook-1', before)).toMatchObject([
      { node: 'node-0', applied: { state: 'failed' } },
    ]);
    const next = createHook({ ...hookOf('hook-1'), spec: { ...spec, enabled: false } });
    const after = { set: { hooks: [next] }, refused: [] } as unknown as HookSnapshot;
    expect(standing.on([told!], 'shop/hook-1', after)).toEqual([{ node: 'node-0', applied: undefined }]);
    expect(standing.on([told!], 'shop/none', before)).toEqual([{ node: 'node-0', applied: undefined }]);
  });

  it('is found for a thousand hooks on a hundred nodes without a search for each', () => {
    const snapshot = snapshotOf(1000);
    const sidecars = sidecarsOf(100, snapshot);
    const standing = new Standing();
    const look = () => snapshot.set.hooks.map(({ name }) => standing.on(sidecars, `shop/${name}`, snapshot));
    look();
    const began = performance.now();
    const found = look();
    expect(performance.now() - began).toBeLessThan(500);
    expect(
      found.every((nodes) => nodes.length === 100 && nodes.every(({ applied }) => applied?.state === 'applied')),
    ).toBe(true);
  });

  it('knows what all hooks together refuse by the file', () => {
    const refused = [{ id: 'shop/a', file: 'EventHook shop/a', issues: [] }];
    const snapshot = { refused };
    expect(new Standing().refusedIn('EventHook shop/a', snapshot)).toEqual(refused);
    expect(new Standing().refusedIn('EventHook shop/b', snapshot)).toEqual([]);
  });
});

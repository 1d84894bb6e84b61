import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { Result } from '#core';
import { dataFiles } from '#control-plane';

import { ledgerRows } from '../../../control-plane/cli/ledger.ts';
import { eventually } from '../../kit/eventually.ts';
import { testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';
import { manual } from './kit.ts';

const DELIVERED: Result = { status: 'delivered' };
const delivering = testAction(() => Promise.resolve(DELIVERED));

/** What is stored is what was reported, and both ledgers balance (design section 7.1). */
async function balanced(thread: Thread, hook: string, outcomes: Record<string, number>): Promise<void> {
  await eventually(
    async () => {
      const [node] = await thread.ledger();
      expect(node?.storedSequence).toBe(node?.ledger.outcomeSequence);
      expect(node?.stored[hook]).toEqual(outcomes);
      const own = node?.ledger.hooks.find(({ hook: id }) => id === hook);
      expect(own).toMatchObject({
        pending: 0,
        outcomes,
        routed: Object.values(outcomes).reduce((sum, n) => sum + n, 0),
      });
      for (const { heard, unmatched, routed, lost } of node?.ledger.sources ?? []) {
        expect(heard).toBe(unmatched + routed + Object.values(lost).reduce((sum, n) => sum + n, 0));
      }
    },
    { timeoutMs: 15_000, intervalMs: 50 },
  );
}

describe('reports', () => {
  it('pile up on disk while the control plane is away, and all arrive when it is back', async () => {
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [delivering],
    });
    await thread.controlPlane.supervisor.stop();
    const count = 20_000;
    for (let first = 0; first < count; first += 500)
      await emit(Array.from({ length: 500 }, (_, index) => first + index));
    await eventually(() => expect(thread.sidecar.journal.lastSequence).toBe(count), { timeoutMs: 15_000 });
    const entries = thread.sidecar.journal.unreported(0, count);
    expect(entries.filter(({ event, final }) => event ?? final).length).toBeLessThanOrEqual(4096);
    await thread.startControlPlane();
    await balanced(thread, 'trotline/all', { delivered: count });
  });

  it('are cut into requests that the control plane takes, however much the scripts said', async () => {
    const { source, emit } = manual();
    const output = '\uFFFD'.repeat(65_536);
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [testAction(() => Promise.resolve({ ...DELIVERED, output }))],
    });
    await thread.controlPlane.supervisor.stop();
    const count = 120;
    await emit(Array.from({ length: count }, (_, index) => index));
    await eventually(() => expect(thread.sidecar.journal.lastSequence).toBe(count), { timeoutMs: 15_000 });
    await thread.startControlPlane();
    await balanced(thread, 'trotline/all', { delivered: count });
  });

  it('of an outcome that no request takes leave its outputs out and say so', async () => {
    const { source, emit } = manual();
    const output = 'x'.repeat(6 << 20);
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [testAction(() => Promise.resolve({ ...DELIVERED, output }))],
    });
    await emit([1]);
    await balanced(thread, 'trotline/all', { delivered: 1 });
    const [event] = await thread.events();
    expect(event?.hooks[0]).toMatchObject({
      reason: expect.stringContaining('outputs left out'),
      attempts: [{ output: '' }],
    });
  });

  it('go on where the control plane stands after it was restarted in the middle', async () => {
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [delivering],
    });
    for (let round = 0; round < 3; round++) {
      await emit(Array.from({ length: 300 }, (_, index) => index));
      await thread.controlPlane.supervisor.stop();
      await thread.startControlPlane();
    }
    await balanced(thread, 'trotline/all', { delivered: 900 });
  });

  it('go on at a control plane that has lost its volume, which says what it does not have', async () => {
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [delivering],
    });
    await emit([1, 2, 3]);
    await balanced(thread, 'trotline/all', { delivered: 3 });
    await eventually(() => thread.sidecar.journal.ackedSequence === 3);
    await thread.stopControlPlane();
    await rm(dirname(dataFiles(thread.folder).database), { recursive: true });
    await emit([4]);
    await thread.startControlPlane();
    await eventually(async () => {
      const [node] = await thread.ledger();
      expect(node).toMatchObject({ storedSequence: 4, missingUntil: 3, stored: { 'trotline/all': { delivered: 1 } } });
      expect(ledgerRows(await thread.ledger()).at(-1)).toMatchObject({ balanced: true, missing: true, stored: true });
    });
    const [record] = await thread.api<{ act: string; detail: string }[]>('/v1/audit');
    expect(record).toMatchObject({
      act: 'history-missing',
      detail: 'outcomes 1 to 3 were acknowledged, and are not in this store',
    });
    await emit([5]);
    await eventually(async () => expect((await thread.ledger())[0]?.storedSequence).toBe(5));
  });

  it('of a sidecar that ends are told to the last, with nothing unknown', async () => {
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [delivering],
    });
    await emit([1, 2, 3]);
    await thread.stopSidecar();
    const [node] = await thread.ledger();
    expect(node).toMatchObject({
      storedSequence: 3,
      ledger: { outcomeSequence: 3, hooks: [{ pending: 0, routed: 3 }] },
    });
    await thread.startSidecar();
    await eventually(async () => {
      const [again] = await thread.ledger();
      expect(again?.ledger.sources.map(({ heard, unknown }) => [heard, unknown])).toEqual([
        [3, null],
        [0, null],
      ]);
    });
  });

  it('show a pending event and why it waits, also to a control plane that was restarted', async () => {
    const { source, emit } = manual();
    const busy = testAction(() => Promise.resolve({ status: 'retry', reason: 'busy', afterMs: 60_000 }));
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [busy],
    });
    const shown = (): Promise<void> =>
      eventually(async () => {
        const [event] = await thread.events();
        expect(event?.hooks[0]).toMatchObject({
          outcome: 'pending',
          waitsFor: 'busy',
          attempts: [{ status: 'retry' }],
        });
      });
    await emit([1]);
    await shown();
    await thread.controlPlane.supervisor.stop();
    await thread.startControlPlane();
    await shown();
  });

  it('tell a full journal by its health and by a count', async () => {
    const { source, emit } = manual();
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [source],
      actions: [testAction(() => Promise.resolve({ status: 'retry', reason: 'busy' }))],
      sidecar: { journalMaxBytes: 1 << 20, journalSegmentBytes: 65_536 },
    });
    for (let first = 0; first < 5000; first += 500)
      await emit(Array.from({ length: 500 }, (_, index) => first + index));
    await eventually(async () => {
      const [node] = await thread.ledger();
      const [life] = node?.ledger.sources ?? [];
      expect(life?.lost['journal-full']).toBeGreaterThan(0);
      expect(life?.heard).toBe((life?.routed ?? 0) + (life?.lost['journal-full'] ?? 0));
      expect(node?.ledger.health).toContainEqual({ source: 'journal', status: 'degraded', reason: 'journal-full' });
    });
  });
});

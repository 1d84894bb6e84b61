import { describe, expect, it } from 'vitest';

import type { SourceContext } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { manualSource, numberedDraft, testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread } from '../../kit/thread.ts';

describe('the thread from a source to the history', () => {
  it('journals, answers and remembers every event, and its ledger balances', async () => {
    let source: SourceContext | undefined;
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('all') },
      sources: [manualSource((context) => void (source = context))],
      actions: [testAction(() => Promise.resolve({ status: 'delivered', detail: 'done' }))],
    });
    await source?.emit([1, 2, 3].map((number) => numberedDraft(number)));

    const events = await eventually(async () => {
      const found = await thread.events();
      expect(found).toHaveLength(3);
      return found;
    });
    expect(events[0]?.hooks[0]).toMatchObject({ hook: 'trotline/all', outcome: 'delivered', uncoordinated: false });
    const [node] = await eventually(async () => {
      const ledger = await thread.ledger();
      expect(ledger[0]?.ledger.hooks[0]).toMatchObject({ routed: 3, pending: 0 });
      return ledger;
    });
    expect(node?.ledger.sources[0]).toMatchObject({ heard: 3, unmatched: 0, routed: 3, lost: {}, unknown: null });
    expect(node?.ledger.hooks[0]).toMatchObject({ routed: 3, pending: 0, outcomes: { delivered: 3 } });
    expect(node?.stored).toEqual({ 'trotline/all': { delivered: 3 } });
  });

  it('acts only where condition and cel both hold', async () => {
    let source: SourceContext | undefined;
    const acted: string[] = [];
    await using thread = await startThread({
      hooks: {
        'a.yaml': hookYaml('both', {
          spec: `condition: "netlink.link.mtu > 1", cel: 'event.netlink.link.mtu < 4 && event.interface.matches("^number[0-9]$")'`,
        }),
      },
      sources: [manualSource((context) => void (source = context))],
      actions: [
        testAction(({ interface: name }) => {
          acted.push(name);
          return Promise.resolve({ status: 'delivered' });
        }),
      ],
    });
    const absent = { attributes: {} };
    await source?.emit([1, 2, 3, 4, 5].map((number) => numberedDraft(number, number === 5 ? absent : {})));
    await eventually(async () => {
      const [node] = await thread.ledger();
      expect(node?.ledger.sources[0]).toMatchObject({ heard: 5, unmatched: 3, routed: 2 });
      expect(node?.stored).toEqual({ 'trotline/both': { delivered: 2 } });
    });
    expect(acted).toEqual(['number2', 'number3']);
  });

  it('answers one incident once in its window', async () => {
    let source: SourceContext | undefined;
    let runs = 0;
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('once', { spec: 'dedup: { key: [node], window: 10m }' }) },
      sources: [manualSource((context) => void (source = context))],
      actions: [testAction(() => Promise.resolve({ status: 'delivered', detail: String(++runs) }))],
    });
    await source?.emit([1, 2, 3].map((number) => numberedDraft(number)));
    await eventually(async () => {
      const outcomes = (await thread.events()).flatMap(({ hooks }) => hooks.map(({ outcome }) => outcome));
      expect(outcomes.sort()).toEqual(['deduplicated', 'deduplicated', 'delivered']);
    });
    expect(runs).toBe(1);
  });

  it('goes on from the journal after a restart, with the control plane away', async () => {
    let source: SourceContext | undefined;
    let broken = true;
    const seen: string[] = [];
    await using thread = await startThread({
      hooks: { 'a.yaml': hookYaml('later') },
      sources: [manualSource((context) => void (source = context))],
      actions: [
        testAction((_event, { deliveryId }) => {
          seen.push(deliveryId);
          return Promise.resolve(broken ? { status: 'retry', reason: 'not yet' } : { status: 'delivered' });
        }),
      ],
    });
    await source?.emit([numberedDraft(1)]);
    await eventually(() => expect(seen.length).toBeGreaterThan(0));
    await thread.stopControlPlane();
    await thread.stopSidecar();
    broken = false;
    await thread.startSidecar();
    await eventually(() => expect(thread.sidecar.journal.lastSequence).toBe(1));
    await thread.startControlPlane();
    const [event] = await eventually(async () => {
      const found = await thread.events();
      expect(found).toHaveLength(1);
      expect(found[0]?.hooks[0]?.outcome).toBe('delivered');
      return found;
    });
    expect(new Set(seen).size).toBe(1);
    expect(event?.hooks[0]?.attempts.map(({ status }) => status)).toEqual(['retry', 'delivered']);
  });
});

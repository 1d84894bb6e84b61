import { describe, expect, it } from 'vitest';

import type { Result } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { testAction } from '../../kit/numbered.ts';
import { hookYaml, startThread, type Thread } from '../../kit/thread.ts';
import { besideOf, manual } from './kit.ts';

const DELIVERED: Result = { status: 'delivered' };

function hook(more = ''): Record<string, string> {
  return { 'a.yaml': hookYaml('once', { spec: `dedup: { key: [interface], window: 10m }${more}` }) };
}

async function outcomes(thread: Thread): Promise<string[]> {
  const events = await thread.events();
  return events.flatMap(({ hooks }) => hooks.map(({ outcome, uncoordinated }) => `${outcome} ${uncoordinated}`)).sort();
}

describe('one incident that two sidecars hear', () => {
  it('is answered by exactly one of them, also when that one fails first', async () => {
    const acted: string[] = [];
    const { source, emit } = manual();
    const actions = [
      testAction((event, { number }) => {
        acted.push(`${event.interface} ${event.node}`);
        return Promise.resolve(number === 1 ? { status: 'retry', reason: 'first' } : DELIVERED);
      }),
    ];
    await using thread = await startThread({ hooks: hook(), sources: [source], actions });
    await using beside = await besideOf(thread, actions);
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    await Promise.all([emit(numbers), beside.emit(numbers)]);
    await eventually(
      async () => {
        const all = await outcomes(thread);
        expect(all.filter((outcome) => outcome === 'delivered false')).toHaveLength(8);
        expect(all.filter((outcome) => outcome === 'deduplicated false')).toHaveLength(8);
      },
      { timeoutMs: 10_000 },
    );
    expect(acted).toHaveLength(16);
    expect(new Set(acted).size).toBe(8);
  });
});

describe('the control plane that goes away', () => {
  it('in the middle of an attempt: its outcome says so, and its window is told when it is back', async () => {
    const ends: ((result: Result) => void)[] = [];
    const { source, emit } = manual();
    const action = testAction(() => new Promise((resolve) => void ends.push(resolve)));
    await using thread = await startThread({
      hooks: hook(', whenUncoordinated: act'),
      sources: [source],
      actions: [action],
    });
    await emit([1]);
    await eventually(() => ends.length === 1);
    await thread.stopControlPlane();
    ends[0]?.(DELIVERED);
    await eventually(() => expect(thread.sidecar.journal.lastSequence).toBe(1), { timeoutMs: 10_000 });
    expect([...thread.sidecar.journal.unsettled]).toHaveLength(1);
    await thread.startControlPlane();
    await eventually(() => expect([...thread.sidecar.journal.unsettled]).toHaveLength(0));
    await using beside = await besideOf(thread, [action]);
    await beside.emit([1]);
    await eventually(async () => expect(await outcomes(thread)).toEqual(['deduplicated false', 'delivered true']));
    expect(ends).toHaveLength(1);
  });

  it('before an event: one hook acts after 2 s, one waits, one drops', async () => {
    const choices = ['act', 'wait', 'drop'];
    const hooks = Object.fromEntries(
      choices.map((choice) => [
        `${choice}.yaml`,
        hookYaml(choice, { spec: `dedup: { key: [interface], window: 10m }, whenUncoordinated: ${choice}` }),
      ]),
    );
    const { source, emit } = manual();
    await using thread = await startThread({ hooks, sources: [source], actions: [testAction(async () => DELIVERED)] });
    await thread.stopControlPlane();
    const stoppedAt = performance.now();
    await emit([1]);
    await eventually(() => expect(thread.sidecar.journal.lastSequence).toBe(2));
    expect(performance.now() - stoppedAt).toBeGreaterThan(1500);
    expect(thread.sidecar.journal.pending().map(({ hook: id }) => id)).toEqual(['trotline/wait']);
    await thread.startControlPlane();
    await eventually(
      async () => {
        const [event] = await thread.events();
        expect(
          event?.hooks
            .map(({ hook: id, outcome, reason, uncoordinated }) => [id, outcome, reason, uncoordinated])
            .sort(),
        ).toEqual([
          ['trotline/act', 'delivered', '', true],
          ['trotline/drop', 'dropped', 'control-plane-away', true],
          ['trotline/wait', 'delivered', '', false],
        ]);
      },
      { timeoutMs: 10_000 },
    );
  });
});

describe('a sidecar that was restarted', () => {
  it('has its own key back at once, and repeats what was interrupted', async () => {
    const ends: ((result: Result) => void)[] = [];
    const { source, emit } = manual();
    const numbers: number[] = [];
    const action = testAction((_event, { number, signal }) => {
      numbers.push(number);
      return new Promise((resolve, reject) => {
        ends.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    });
    await using thread = await startThread({
      hooks: hook(', onInterrupt: repeat'),
      sources: [source],
      actions: [action],
    });
    await emit([1]);
    await eventually(() => ends.length === 1);
    await thread.stopSidecar(AbortSignal.abort());
    await thread.startSidecar();
    await eventually(() => ends.length === 2);
    ends[1]?.(DELIVERED);
    await eventually(async () => expect(await outcomes(thread)).toEqual(['delivered false']));
    expect(numbers).toEqual([1, 2]);
  });
});

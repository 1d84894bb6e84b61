import { monitorEventLoopDelay } from 'node:perf_hooks';

import { describe, expect, it } from 'vitest';

import type { HookView } from '../../../control-plane/http/views.ts';
import { eventually } from '../../kit/eventually.ts';
import { atOnce, hook, logged, nlmon, startScripts } from './kit.ts';

const body = (seconds: number) => (folder: string) => ({ 'run.sh': logged(folder, `sleep ${seconds}`) });

describe('a synchronous hook', () => {
  it('N17: starts the second event after the first has ended', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(0.3)(folder),
      hooks: { 'a.yaml': nlmon({ name: 'sync', script: `${folder}/run.sh` }) },
    }));
    await scripts.emit(2);
    await scripts.outcomes(2);
    const [first, second] = await scripts.runs();
    expect(second?.startMs).toBeGreaterThanOrEqual(first?.endMs ?? Number.POSITIVE_INFINITY);
  });

  it('N19: keeps the order of a hundred events', async () => {
    await using scripts = await startScripts((folder) => ({
      hooks: { 'a.yaml': nlmon({ name: 'sync', script: `echo $NLMON_SEQUENCE >> ${folder}/order` }) },
    }));
    for (let batch = 0; batch < 10; batch++) await scripts.emit(10);
    await scripts.outcomes(100);
    const order = (await scripts.text('order')).trim().split('\n').map(Number);
    expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('N33: lets the API answer within 100 ms while it runs for 5 s: disable, enable and statistics', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(5)(folder),
      hooks: { 'a.yaml': nlmon({ name: 'sync', script: `${folder}/run.sh` }) },
    }));
    const { thread } = scripts;
    await thread.stats();
    await scripts.emit(2);
    await eventually(async () => (await scripts.runs()).length === 1);
    const runs = async () => (await scripts.runs())[0]?.endMs === Number.POSITIVE_INFINITY;
    const post = (act: string) =>
      thread.api<HookView>(`/v1/hooks/trotline/sync/${act}`, { method: 'POST', body: '{"who":"test"}' });
    const asked = { disable: () => post('disable'), enable: () => post('enable'), stats: () => thread.stats() };
    const times = { disable: new Array<number>(), enable: new Array<number>(), stats: new Array<number>() };
    await eventually(
      async () => {
        for (const name of ['disable', 'stats', 'enable', 'stats'] as const) {
          const before = performance.now();
          await asked[name]();
          const elapsed = performance.now() - before;
          if (await runs()) times[name].push(elapsed);
        }
        return !(await runs());
      },
      { timeoutMs: 15_000 },
    );
    for (const each of Object.values(times)) {
      expect(each.length).toBeGreaterThan(10);
      expect(Math.max(...each)).toBeLessThan(100);
    }
    const [first] = await scripts.runs();
    expect((first?.endMs ?? 0) - (first?.startMs ?? 0)).toBeGreaterThan(5000);
    await scripts.outcomes(2);
  });
});

describe('an asynchronous hook', () => {
  it('N18: starts two events within 50 ms, and holds up nothing', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(0.3)(folder),
      hooks: { 'a.yaml': hook('async', [`${folder}/run.sh`]) },
    }));
    await scripts.emit(1);
    await scripts.outcomes(1);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    await scripts.emit(2);
    await scripts.outcomes(3);
    delay.disable();
    const [, first, second] = await scripts.runs();
    expect(Math.abs((second?.startMs ?? 0) - (first?.startMs ?? Number.POSITIVE_INFINITY))).toBeLessThan(50);
    expect(delay.percentile(99) / 1e6).toBeLessThan(50);
  });

  it('N30: runs ten at a time and all thirty in the end', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(0.3)(folder),
      hooks: { 'a.yaml': hook('async', [`${folder}/run.sh`]) },
    }));
    await scripts.emit(30);
    let alive = 0;
    const events = await eventually(async () => {
      const sleeping = scripts.living().filter((pid) => scripts.commandOf(pid).startsWith('sleep'));
      alive = Math.max(alive, sleeping.length);
      return scripts.outcomes(30, 0);
    });
    expect(events.flatMap(({ hooks }) => hooks).map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 30 }, () => 'delivered'),
    );
    expect(alive).toBe(10);
    expect(atOnce(await scripts.runs())).toBe(10);
  });

  it('N31: shares the ten places with a synchronous one', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(0.3)(folder),
      hooks: {
        'a.yaml': hook('async', [`${folder}/run.sh`]),
        'b.yaml': hook('sync', [`${folder}/run.sh`], { spec: 'run: sync' }),
      },
    }));
    await scripts.emit(12);
    await scripts.outcomes(24);
    const runs = await scripts.runs();
    expect(runs).toHaveLength(24);
    expect(atOnce(runs)).toBe(10);
    expect(atOnce(runs.filter((run) => run.hook === 'trotline/sync'))).toBe(1);
  });

  it('N32: does not hold up the intake at its limit, and every event is accounted for', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: body(0.5)(folder),
      hooks: { 'a.yaml': hook('async', [`${folder}/run.sh`]) },
    }));
    await scripts.emit(15);
    await eventually(async () => (await scripts.runs()).length === 10);
    const before = performance.now();
    for (let event = 0; event < 20; event++) await scripts.emit(1);
    expect(performance.now() - before).toBeLessThan(400);
    expect((await scripts.runs()).every(({ endMs }) => endMs === Number.POSITIVE_INFINITY)).toBe(true);
    await scripts.outcomes(35);
    await eventually(async () => {
      const [node] = await scripts.thread.ledger();
      expect(node?.ledger.sources[0]).toMatchObject({ heard: 35, unmatched: 0, routed: 35, lost: {} });
      expect(node?.ledger.hooks[0]).toMatchObject({ routed: 35, pending: 0, outcomes: { delivered: 35 } });
    });
  });
});

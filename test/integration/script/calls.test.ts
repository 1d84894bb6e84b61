/** The calls of nlmon's C interface, each by what does the same here (docs/nlmon.md). */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { HooksView, HookView } from '../../../control-plane/http/views.ts';
import type { AuditRecord } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import { hook, nlmon, type Scripts, startScripts, trotline } from './kit.ts';

const echoes = (...names: string[]) => nlmon(...names.map((name) => ({ name, script: `echo ${name}` })));

async function listed({ thread }: Scripts): Promise<string[]> {
  return (await thread.api<HooksView>('/v1/hooks')).hooks.map(({ name }) => name);
}

/** The hooks that ran for the newest event, once all have their outcomes. */
async function ranAtLast(scripts: Scripts, outcomes: number): Promise<string[]> {
  const events = await scripts.outcomes(outcomes);
  return (events.at(-1)?.hooks ?? []).map((each) => each.hook.replace('trotline/', '')).toSorted();
}

describe("a call of nlmon's C interface", () => {
  it('N45: create is a start: no hook yet, and no end of thirty-two', async () => {
    await using scripts = await startScripts(() => ({ hooks: {} }));
    expect(await listed(scripts)).toEqual([]);
    const names = Array.from({ length: 40 }, (_, index) => `h${index}`);
    await scripts.thread.writeHook('a.yaml', echoes(...names));
    await eventually(async () => expect(await listed(scripts)).toHaveLength(40));
    await scripts.thread.synced();
    await scripts.emit();
    expect(await ranAtLast(scripts, 40)).toEqual(names.toSorted());
  });

  it('N45: register is a file: the next event runs it; one that cannot be is refused and says why', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': echoes('first') } }));
    await scripts.changeHook('second', () => scripts.thread.writeHook('b.yaml', echoes('second')));
    await scripts.emit();
    expect(await ranAtLast(scripts, 2)).toEqual(['first', 'second']);
    const bad = [
      { name: '', script: 'echo' },
      { name: 'no-script' },
      { name: 'bad-condition', script: 'echo', condition: 'message_type = 17' },
      { name: 'first', script: 'echo twice' },
    ];
    await scripts.thread.writeHook('c.yaml', nlmon(...bad));
    await eventually(async () => {
      const { refused } = await scripts.thread.api<HooksView>('/v1/hooks');
      expect(refused.map(({ issues }) => issues.length)).toEqual([1, 1, 1, 1]);
    });
    expect(await listed(scripts)).toEqual(['first', 'second']);
  });

  it('N45: unregister is to remove the file: no later event runs it, and its name is unknown', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': echoes('stays'), 'b.yaml': echoes('goes') },
    }));
    await scripts.changeHook('goes', () => rm(join(scripts.thread.hooksFolder, 'b.yaml')));
    await scripts.emit();
    expect(await ranAtLast(scripts, 1)).toEqual(['stays']);
    expect(await trotline(scripts, 'hooks', 'show', 'goes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no hook "trotline/goes"'),
    });
  });

  it('N45: execute is an event: every enabled hook that it meets runs once, and `hooks test` tells which', async () => {
    const of = (name: string, more: object) => ({ name, script: `echo ${name}`, ...more });
    await using scripts = await startScripts(() => ({
      hooks: {
        'a.yaml': nlmon(
          of('all', {}),
          of('meets', { condition: 'message_type == 16' }),
          of('misses', { condition: 'message_type == 17' }),
          of('off', { enabled: false }),
        ),
      },
    }));
    await scripts.emit();
    expect(await ranAtLast(scripts, 2)).toEqual(['all', 'meets']);
    const tested = await Promise.all(
      ['all', 'misses', 'none'].map((name) => trotline(scripts, 'hooks', 'test', name, '--event', 'last')),
    );
    expect(tested.map(({ code }) => code)).toEqual([0, 1, 1]);
    expect(tested[1]?.stdout).toContain('would NOT run');
    expect(tested[2]?.stderr).toContain('there is no hook "trotline/none"');
    expect(await scripts.stats('all')).toMatchObject({ executions: 1 });
  });

  it('N45: get_stats is `hooks stats NAME`; one that has not run has none, a name that is none is refused', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': nlmon({ name: 'runs', script: 'echo' }, { name: 'idle', script: 'echo', enabled: false }) },
    }));
    await scripts.emit(3);
    await scripts.outcomes(3);
    const json = async (name: string) =>
      JSON.parse((await trotline(scripts, 'hooks', 'stats', name, '-o', 'json')).stdout);
    expect(await json('runs')).toMatchObject([{ executions: 3, successes: 3, failures: 0, timeouts: 0 }]);
    expect(await json('idle')).toEqual([]);
    for (const [name, code] of [
      ['none', 1],
      ['../..', 2],
    ] as const) {
      expect(await trotline(scripts, 'hooks', 'stats', name), name).toMatchObject({ code, stdout: '' });
    }
  });

  it('N45: enable and disable switch a hook for the next event; a name that is none is refused', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': echoes('a', 'b') } }));
    await scripts.changeHook('a', () => trotline(scripts, 'hooks', 'disable', 'a'));
    await scripts.emit();
    expect(await ranAtLast(scripts, 1)).toEqual(['b']);
    await scripts.changeHook('a', () => trotline(scripts, 'hooks', 'enable', 'a'));
    await scripts.emit();
    expect(await ranAtLast(scripts, 3)).toEqual(['a', 'b']);
    for (const act of ['enable', 'disable']) {
      expect(await trotline(scripts, 'hooks', act, 'c'), act).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('there is no hook "trotline/c"'),
      });
    }
  });

  it('N45: list is `hooks list`, with those that are off', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': nlmon({ name: 'on', script: 'echo' }, { name: 'off', script: 'echo', enabled: false }) },
    }));
    const { code, stdout } = await trotline(scripts, 'hooks', 'list', '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: 'on', enabled: true, applied: 1 },
      { name: 'off', enabled: false, applied: 1 },
    ]);
  });

  it('N45: reset is `hooks stats --reset`: of one hook or all, audited, and never by a slip', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': echoes('a', 'b') } }));
    await scripts.emit(2);
    await scripts.outcomes(4);
    const reset = (...args: string[]) => trotline(scripts, 'hooks', 'stats', '--reset', ...args);
    expect(await reset('a')).toMatchObject({
      code: 2,
      stderr: 'error: this would forget 2 runs of a; say --yes to do it\n',
    });
    expect(await scripts.stats('a')).toMatchObject({ executions: 2 });
    const { stdout } = await reset('a', '--yes', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject([{ hook: 'trotline/a', executions: 2 }]);
    expect(await scripts.thread.stats()).toMatchObject([{ hook: 'trotline/b', executions: 2 }]);
    await scripts.emit();
    await scripts.outcomes(6);
    expect(await scripts.stats('a')).toMatchObject({ executions: 1 });
    expect(await reset('c', '--yes')).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no hook') });
    expect((await reset('--yes')).code).toBe(0);
    expect(await scripts.thread.stats()).toEqual([]);
    const { hook: shown, stats } = await scripts.thread.api<HookView>('/v1/hooks/trotline/a');
    expect([shown, stats]).toEqual(['trotline/a', []]);
    const audit = await scripts.thread.api<AuditRecord[]>('/v1/audit');
    expect(audit.map(({ act, subject, detail }) => [act, subject, detail])).toEqual([
      ['reset-stats', 'all hooks', 'executions: 4'],
      ['reset-stats', 'trotline/a', 'executions: 2'],
    ]);
    await expect(scripts.thread.api('/v1/stats', { method: 'DELETE', body: '{}' })).rejects.toThrow('answered 400');
  });

  it('N45: wait is the drain of a stop: what runs ends by itself, what waits stays for the next start', async () => {
    await using scripts = await startScripts(() => ({
      hooks: { 'a.yaml': hook('naps', ['/bin/sleep', '0.4'], { spec: 'run: sync' }) },
    }));
    await scripts.emit(2);
    await eventually(() => scripts.living().length === 1);
    await scripts.thread.stopSidecar(AbortSignal.timeout(10_000));
    expect(scripts.living()).toEqual([]);
    const pending = await trotline(scripts, 'events', 'list', '--outcome', 'pending', '-o', 'json');
    const left = JSON.parse(pending.stdout).length;
    await scripts.thread.startSidecar();
    expect(await scripts.attempts(2)).toMatchObject([{ status: 'delivered' }, { status: 'delivered' }]);
    expect(left).toBeLessThanOrEqual(1);
  });

  it('N45: destroy is a stop: nothing runs any more, and later calls say how to start one', async () => {
    await using scripts = await startScripts(() => ({ hooks: { 'a.yaml': hook('hangs', ['/bin/sleep', '60']) } }));
    await scripts.emit(3);
    await eventually(() => scripts.living().length === 3);
    await scripts.thread.stopSidecar(AbortSignal.timeout(50));
    await scripts.thread.stopControlPlane();
    expect(scripts.living()).toEqual([]);
    expect(await trotline(scripts, 'hooks', 'list')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('start one with: trotline up'),
    });
  });
});

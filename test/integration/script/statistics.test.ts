import { describe, expect, it } from 'vitest';

import { isObject } from '#core';

import { hook, nlmon, type Scripts, sh, startScripts, trotline } from './kit.ts';

/** By the number of the event: 5 successes, 3 failures, 2 timeouts. */
const MIXED = sh(
  'case $NLMON_SEQUENCE in 1|2|3|4|5) exit 0;; 6) exit 1;; 7) kill -9 $$;; 8) exit 126;; esac\nsleep 30',
);
const COUNTS = { executions: 10, successes: 5, failures: 3, timeouts: 2 };

async function mixedRun(): Promise<Scripts> {
  const scripts = await startScripts((folder) => ({
    scripts: { 'mixed.sh': MIXED },
    hooks: { 'a.yaml': nlmon({ name: 'mixed', script: `${folder}/mixed.sh`, timeout_ms: 400, async: true }) },
  }));
  await scripts.emit(10);
  await scripts.outcomes(10);
  return scripts;
}

describe('the statistics of a hook', () => {
  it('N26: count executions, each a success, a failure or a timeout', async () => {
    await using scripts = await mixedRun();
    const stats = await scripts.stats('mixed');
    expect(stats).toMatchObject({ ...COUNTS, node: 'test-node' });
    expect(stats.executions).toBe(stats.successes + stats.failures + stats.timeouts);
  });

  it('N26: count every attempt that a script asked to repeat', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'again.sh': sh('[ $TROTLINE_ATTEMPT = 1 ] && exit 75; echo $TROTLINE_ATTEMPT') },
      hooks: { 'a.yaml': hook('again', [`${folder}/again.sh`]) },
    }));
    await scripts.emit();
    expect(await scripts.attempts()).toMatchObject([
      { number: 1, status: 'retry', reason: 'exit 75' },
      { number: 2, status: 'delivered', output: '2\n' },
    ]);
    expect(await scripts.stats('again')).toMatchObject({ executions: 2, successes: 1, failures: 1, timeouts: 0 });
  });

  it('N27: tell the shortest, the longest, the average and the whole time', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'sleep.sh': sh('case $NLMON_SEQUENCE in 1) sleep 0.1;; 2) sleep 0.01;; 3) sleep 0.3;; esac') },
      hooks: { 'a.yaml': hook('sleeps', [`${folder}/sleep.sh`], { spec: 'run: sync' }) },
    }));
    await scripts.emit(3);
    await scripts.outcomes(3);
    const { executions, minMs, maxMs, avgMs, totalMs, lastAtMs } = await scripts.stats('sleeps');
    expect(executions).toBe(3);
    expect(minMs).toBeGreaterThan(10);
    expect(minMs).toBeLessThan(100);
    expect(maxMs).toBeGreaterThan(300);
    expect(maxMs).toBeLessThan(450);
    expect(totalMs).toBeGreaterThan(410);
    expect(totalMs).toBeLessThan(700);
    expect(avgMs).toBeCloseTo(totalMs / 3, 6);
    expect(Math.abs(Date.now() - (lastAtMs ?? 0))).toBeLessThan(10_000);
  });

  it('N27: leave out how long a program waited for one of the ten places', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'nap.sh': sh('sleep 0.4') },
      hooks: { 'a.yaml': hook('nap', [`${folder}/nap.sh`]) },
    }));
    await scripts.emit(20);
    await scripts.outcomes(20);
    const { executions, minMs, maxMs } = await scripts.stats('nap');
    expect(executions).toBe(20);
    expect(minMs).toBeGreaterThanOrEqual(400);
    expect(maxMs).toBeLessThan(700);
  });

  it('N28: are the same over the API, with the hook and alone', async () => {
    await using scripts = await mixedRun();
    const alone = await scripts.stats('mixed');
    const { stats } = await scripts.thread.api<{ stats: unknown[] }>('/v1/hooks/trotline/mixed');
    expect(alone).toMatchObject(COUNTS);
    expect(stats).toEqual([alone]);
  });

  it('N28: are the same on the command line, as JSON and as a table', async () => {
    await using scripts = await mixedRun();
    const json: unknown = JSON.parse((await trotline(scripts, 'hooks', 'stats', '-o', 'json')).stdout);
    const rows = (Array.isArray(json) ? json : []).filter(isObject);
    expect(rows).toMatchObject([COUNTS]);
    const [titles = '', row = ''] = (await trotline(scripts, 'hooks', 'stats')).stdout.split('\n');
    expect(titles).toMatch(/^HOOK +NODE +RUNS +OK +FAILED +TIMEOUT/);
    expect(row.split(/\s+/).slice(0, 6)).toEqual(['mixed', 'test-node', '10', '5', '3', '2']);
  });

  it('N28: tell how long the newest attempts took, as percentiles', async () => {
    await using scripts = await startScripts((folder) => ({
      scripts: { 'nap.sh': sh('[ $NLMON_SEQUENCE = 20 ] && sleep 0.5; exit 0') },
      hooks: { 'a.yaml': hook('nap', [`${folder}/nap.sh`]) },
    }));
    await scripts.emit(20);
    await scripts.outcomes(20);
    const { p50Ms, p95Ms, p99Ms, maxMs } = await scripts.stats('nap');
    expect(p50Ms).toBeLessThan(300);
    expect(p95Ms).toBeLessThan(500);
    expect(p99Ms).toBeGreaterThan(500);
    expect(p99Ms).toBeCloseTo(maxMs ?? 0, 2);
    const { stdout } = await trotline(scripts, 'hooks', 'stats', 'nap', '-o', 'wide');
    expect(stdout).toMatch(/ P50 +P95 +P99 /);
  });
});

/** The bench of the promises on response times, in small: what it says is judged by `npm run bench -- sla`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { describe, expect, it } from 'vitest';

import { noRedis } from '../../kit/redis.ts';

describe.skipIf(noRedis !== null)('the bench sla', () => {
  it('L44, L45, L46, L47: says in JSON what was measured and whether the promises are kept; nothing is lost', async () => {
    const child = spawn(process.execPath, ['--conditions=source', 'test/bench/main.ts', 'sla', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, BENCH_QUESTIONS: '400' },
    });
    const [said] = await Promise.all([text(child.stdout), once(child, 'close')]);
    const report = JSON.parse(said) as { metrics: Record<string, number>; met: boolean };
    const names = ['meanMs', 'p50Ms', 'p95Ms', 'p99Ms', 'success', 'verdictsPerSecond', 'webSocketPerSecond'];
    expect(Object.keys(report.metrics)).toEqual([...names, 'redisPerSecond', 'historyPerSecond', 'lost', 'growthMiB']);
    expect(Object.values(report.metrics).every(Number.isFinite)).toBe(true);
    expect(report).toMatchObject({ met: expect.any(Boolean) as unknown, metrics: { success: 1, lost: 0 } });
    expect(child.exitCode).toBe(report.met ? 0 : 1);
  });
});

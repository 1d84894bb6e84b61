/** Bench `pipeline`: matching events through router, journal, cluster claim, a no-op action and the acknowledged report. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { dataFiles } from '#control-plane';

import { Killable } from '../kit/kill/processes.ts';
import { hookYaml } from '../kit/thread.ts';
import type { BenchResult } from './result.ts';

const CONTROL_PLANE = fileURLToPath(new URL('../../control-plane/main.ts', import.meta.url));
const SIDECAR = fileURLToPath(new URL('./pipeline-sidecar.ts', import.meta.url));
/** Of one run, as design section 11 says. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 60);

export async function run(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-bench-'));
  const files = dataFiles(folder);
  await mkdir(join(folder, 'hooks'));
  const spec = 'dedup: { key: [interface], window: 1s, scope: cluster }';
  await writeFile(join(folder, 'hooks', 'a.yaml'), hookYaml('bench', { spec }));
  try {
    const args = ['--data', folder, '--hooks', join(folder, 'hooks'), '--api', '127.0.0.1:0', '--log', 'warn'];
    await using controlPlane = new Killable(CONTROL_PLANE, args, /^/, ['--conditions=source', ...profiling()]);
    await controlPlane.start();
    const child = [
      '--conditions=source',
      ...profiling(),
      SIDECAR,
      files.sidecar,
      `unix:${files.socket}`,
      String(SECONDS * 1000),
    ];
    const { stdout } = await promisify(execFile)(process.execPath, child, { timeout: (SECONDS + 60) * 1000 });
    // A profile is written at the end of a process that ends by itself.
    if (profiling().length > 0) await controlPlane.kill('SIGTERM');
    const { emitted, seconds, unaccounted, rssMiB } = JSON.parse(stdout) as Record<string, number>;
    const perSecond = (emitted ?? 0) / (seconds ?? 1);
    return { metrics: { perSecond, unaccounted: unaccounted ?? 0, rssMiB: rssMiB ?? 0 }, runs: 1, spread: {} };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function profiling(): string[] {
  const folder = process.env.BENCH_PROFILE;
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

/**
 * The spawner built with AddressSanitizer and UndefinedBehaviorSanitizer, under stress: 5 s, or STRESS_SECONDS
 * (`npm run test:native-asan`). It and its supervisors have one thread each: there is no race for ThreadSanitizer to find.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { beforeAll, describe, expect, it } from 'vitest';

import type { Spawner, SpawnRequest } from '#native';

import { encodeKill, encodeSpawn } from '../../native/spawner-frames.ts';
import { childrenOf, escapes, folder, open, program, setUpSpawners, shell } from './spawner-scenarios.ts';

const SOURCE = fileURLToPath(new URL('../../native/src', import.meta.url));
const COMPILER = process.env['CXX'] ?? 'g++';
const SECONDS = Number(process.env['STRESS_SECONDS'] ?? 5);
const SEED = Number(process.env['STRESS_SEED'] ?? Date.now() % 2 ** 32);
const FLAGS = ['-std=gnu++17', '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const LOGS = join(folder, 'reports');

const probe = ['-fsanitize=address,undefined', '-x', 'c++', '-', '-o', join(folder, 'probe')];
const sanitizers = spawnSync(COMPILER, probe, { input: 'int main() { return 0; }' }).status === 0;
if (!sanitizers && process.env['CI'] === 'true') throw new Error(`${COMPILER} has no sanitizers`);
if (!sanitizers) console.warn(`N46: the sanitizers are skipped: ${COMPILER} is missing or has none`);

setUpSpawners();

function build(name: string, sources: readonly string[]): string {
  const output = join(folder, name);
  const { status, stderr } = spawnSync(COMPILER, [...FLAGS, ...sources, '-o', output], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return output;
}

/** What the sanitizers found, in any process. */
function reports(): string {
  return readdirSync(LOGS)
    .map((name) => readFileSync(join(LOGS, name), 'utf8'))
    .join('\n');
}

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pick = <T>(random: () => number, from: readonly [T, ...T[]]): T =>
  from[Math.floor(random() * from.length)] ?? from[0];

/** Every kind of program: good, failing, silent, loud, deaf, slow, escaping, and such that cannot start. */
function requests(): [SpawnRequest, ...SpawnRequest[]] {
  return [
    program(['/bin/true']),
    program(['/bin/false'], { groups: [], limits: { openFiles: 20, fileBytes: 0, cpuSeconds: 3 } }),
    program(['/nowhere']),
    program(['/bin/true'], { cgroup: '/nowhere' }),
    program(['/bin/true'], { directory: '/nowhere' }),
    program(['/bin/cat'], { stdin: 'x'.repeat(300_000), outputLimit: 1_048_576 }),
    program(['/bin/true'], { stdin: 'x'.repeat(300_000) }),
    program(['/usr/bin/yes'], { timeoutMs: 20, outputLimit: 100 }),
    program(['/bin/sleep', '30'], { timeoutMs: 1 }),
    program(['/bin/sleep', '30'], { timeoutMs: 50 }),
    shell('exec 0<&- 1>&- 2>&-; exit 3', { stdin: 'y'.repeat(100_000) }),
    shell(`${escapes('/dev/null')} exit 0`),
    shell(`${escapes('/dev/null')} sleep 30`, { timeoutMs: 30 }),
    shell('kill -SEGV $$'),
  ];
}

interface Counts {
  lives: number;
  started: number;
  ended: number;
  lost: number;
  frames: number;
  readonly wrong: string[];
}

/** Never rejects: what is wrong with an end is counted. A run whose spawner was killed or stopped, also before it ran, says so. */
async function settled(spawner: Spawner, request: SpawnRequest, signal: AbortSignal, counts: Counts): Promise<void> {
  try {
    const { exitCode, signal: endedBy, startError } = await spawner.run(request, signal);
    const ends = [exitCode, endedBy, startError].filter((each) => each !== null);
    if (ends.length === 1) counts.ended++;
    else counts.wrong.push(JSON.stringify(ends));
  } catch (error) {
    if (/the spawner (ended|is stopped)/.test(String(error))) counts.lost++;
    else counts.wrong.push(String(error));
  }
}

/** It may have ended by itself meanwhile. */
function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
  }
}

/** One spawner from its start (register), through runs and aborts (execute, wait), to one of its ends (unregister). */
async function life(binary: string, lockFile: string, random: () => number, counts: Counts): Promise<void> {
  const spawner = await open({ binary, lockFile });
  const running = new Set<Promise<void>>();
  // Itself, or its supervisors: what a program left behind outlives both, when they are killed before either has seen the other's end.
  const killsItself = random() < 0.5;
  for (let number = 0; number < 40; number++) {
    const signal = random() < 0.3 ? AbortSignal.timeout(Math.floor(random() * 20)) : new AbortController().signal;
    counts.started++;
    const run = settled(spawner, pick(random, requests()), signal, counts);
    running.add(run);
    void run.then(() => running.delete(run));
    const { pid } = spawner;
    if (random() < 0.15 && pid !== null) {
      const victims = killsItself ? [pid] : childrenOf(pid);
      const victim = victims[Math.floor(random() * victims.length)];
      if (victim !== undefined) killed(victim);
    }
    if (running.size >= 10) await Promise.race(running);
  }
  if (random() < 0.5) await Promise.all(running);
  await spawner.stop();
  await Promise.all(running);
  counts.lives++;
}

/** Frames that no sidecar would send, good ones among them, in pieces; then the pipe closes. */
async function garbage(binary: string, random: () => number, counts: Counts): Promise<void> {
  const child = spawn(binary, { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdout.resume();
  // It leaves at a frame that is too long, whatever follows.
  child.stdin.on('error', () => undefined);
  const closed = once(child, 'close');
  const frames = 1 + Math.floor(random() * 20);
  for (let number = 0; number < frames && child.exitCode === null; number++) {
    counts.frames++;
    const id = Math.floor(random() * 5);
    const frame = random() < 0.2 ? encodeKill(id) : encodeSpawn(id, program(['/bin/cat', 'a'], { stdin: 'b' }));
    const changes = Math.floor(random() * 4);
    for (let change = 0; change < changes; change++) {
      // Not the length, mostly: everything after a wrong one is read as one frame.
      const at = Math.floor((random() < 0.05 ? 0 : 4) + random() * (frame.length - 4));
      frame[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff, Math.floor(random() * 256)]);
    }
    const cut = Math.floor(random() * frame.length);
    child.stdin.write(frame.subarray(0, cut));
    if (random() < 0.95) child.stdin.write(frame.subarray(cut));
  }
  child.stdin.end();
  expect(await closed).toEqual([0, null]);
}

describe.skipIf(!sanitizers)('under the sanitizers', () => {
  let binary = '';
  let fuzz = '';

  beforeAll(() => {
    mkdirSync(LOGS);
    const built = build(
      'spawner-sanitized',
      globSync(join(SOURCE, '{spawner*,capabilities}.cc'), { exclude: ['**/spawner_fuzz.cc'] }),
    );
    fuzz = build(
      'spawner-fuzz',
      ['spawner_fuzz.cc', 'spawner_protocol.cc'].map((name) => join(SOURCE, name)),
    );
    // Spawners are started with an empty environment.
    const options = [`ASAN_OPTIONS=log_path=${LOGS}/asan`, `UBSAN_OPTIONS=log_path=${LOGS}/ubsan:print_stacktrace=1`];
    binary = `${built}.sh`;
    writeFileSync(binary, `#!/bin/sh\nexec env ${options.join(' ')} ${built} "$@"\n`, { mode: 0o755 });
  });

  it(
    'N46: the spawner survives two users that start, abort, kill and leave it, and garbage: no report, no hang',
    {
      timeout: SECONDS * 1000 + 60_000,
    },
    async () => {
      const counts: Counts = { lives: 0, started: 0, ended: 0, lost: 0, frames: 0, wrong: [] };
      const until = performance.now() + SECONDS * 1000;
      const loop = async (seed: number, work: (random: () => number) => Promise<void>) => {
        const random = randomOf(seed);
        do await work(random);
        while (performance.now() < until);
      };
      await Promise.all([
        loop(SEED, (random) => life(binary, join(folder, 'lock-1'), random, counts)),
        loop(SEED + 1, (random) => life(binary, join(folder, 'lock-2'), random, counts)),
        loop(SEED + 2, (random) => garbage(binary, random, counts)),
      ]);
      const told = `${JSON.stringify(counts)} with STRESS_SEED=${SEED}`;
      console.info(`N46: ${told}`);
      expect(reports(), told).toBe('');
      expect(counts.wrong, told).toEqual([]);
      expect(counts.ended + counts.lost, told).toBe(counts.started);
      expect(counts.ended, told).toBeGreaterThan(counts.started / 2);
    },
  );

  it('N46: a fault of the spawner would be seen', () => {
    const source = join(folder, 'fault.cc');
    writeFileSync(source, 'int main(int count, char**) { int* block = new int[count]; return block[count]; }');
    const fault = build('fault', [source]);
    expect(spawnSync(fault, { env: { ASAN_OPTIONS: `log_path=${LOGS}/fault` } }).status).not.toBe(0);
    expect(reports()).toContain('heap-buffer-overflow');
  });

  it.each([1, 2])('N46: the reader of spawn frames takes good ones and refuses truncated ones (seed %i)', (seed) => {
    const count = SECONDS * 20_000;
    const answer = execFileSync(fuzz, [String(count), String(seed)], { encoding: 'utf8' });
    const { runs, taken, refused }: Record<string, number> = JSON.parse(answer);
    expect(runs).toBe(count);
    expect(taken).toBeGreaterThan(count / 20);
    expect(refused).toBeGreaterThan(count / 20);
  });
});

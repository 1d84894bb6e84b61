import { spawnSync } from 'node:child_process';
import { globSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SpawnEnded } from '#native';
import { faketimeLibrary } from '../kit/faketime.ts';
import { folder, open, running, setUpSpawners, shell } from './spawner-scenarios.ts';

const SOURCES = globSync(fileURLToPath(new URL('../../native/src/{spawner*,capabilities}.cc', import.meta.url)), {
  exclude: ['**/spawner_fuzz.cc'],
});
const COMPILER = process.env['CXX'] ?? 'g++';
const CLOCK = join(folder, 'clock');

const library = faketimeLibrary();
const missing =
  library === null
    ? 'no libfaketime (apt-get update && apt-get install libfaketime)'
    : spawnSync(COMPILER, ['--version']).status === 0
      ? null
      : `no ${COMPILER}`;
if (missing !== null && process.env['CI'] === 'true') throw new Error(missing);
if (missing !== null) console.warn(`N23, a step of the wall clock, is skipped: ${missing}`);

setUpSpawners();

/** Whole or not at all: the spawner reads it each time it looks at the wall clock. */
function setClock(offset: string): void {
  writeFileSync(`${CLOCK}.new`, offset);
  renameSync(`${CLOCK}.new`, CLOCK);
}

/** A spawner whose wall clock is ours. The built one is static, and nothing can be put before its clock. */
function build(name: string, flags: readonly string[] = []): string {
  const program = join(folder, name);
  const { stderr, status } = spawnSync(COMPILER, ['-std=c++17', '-O1', ...flags, ...SOURCES, '-o', program], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  // Spawners are started with an empty environment. The clock that no one sets stays as it is; its switch has had two names.
  const environment = [
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${CLOCK}`,
    'FAKETIME_NO_CACHE=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    'DONT_FAKE_MONOTONIC=1',
  ];
  writeFileSync(`${program}.sh`, `#!/bin/sh\nexec env ${environment.join(' ')} ${program} "$@"\n`, { mode: 0o755 });
  return `${program}.sh`;
}

/** A second of a program that may take three; it speaks, so that the spawner looks at its clock, which is set meanwhile. */
async function acrossStep(binary: string): Promise<SpawnEnded> {
  setClock('+0');
  const spawner = await open({ binary });
  const speaks = 'for turn in 1 2 3 4 5 6 7 8 9 10; do echo $turn; sleep 0.1; done';
  const { ended } = await running(spawner, shell(speaks, { timeoutMs: 3000 }));
  setClock('+3600');
  return ended;
}

describe.skipIf(missing !== null)('when the wall clock is set forward by an hour', () => {
  let spawner = '';
  let byWallClock = '';

  beforeAll(() => {
    spawner = build('spawner');
    const header = join(folder, 'wall-clock.hh');
    writeFileSync(header, '#include <time.h>\n#undef CLOCK_MONOTONIC\n#define CLOCK_MONOTONIC CLOCK_REALTIME\n');
    byWallClock = build('spawner-by-wall-clock', ['-include', header]);
  });

  it('N23: a program that has time left is not ended', async () => {
    const { durationMs, ...ended } = await acrossStep(spawner);
    expect(ended).toMatchObject({ exitCode: 0, signal: null, timedOut: false });
    expect(durationMs).toBeGreaterThan(900);
    expect(durationMs).toBeLessThan(3000);
  });

  it('a spawner that counted by the wall clock would end it', async () => {
    const ended = await acrossStep(byWallClock);
    expect(ended).toMatchObject({ exitCode: null, signal: 'SIGKILL', timedOut: true });
    expect(ended.durationMs).toBeGreaterThan(3_600_000);
  });
});

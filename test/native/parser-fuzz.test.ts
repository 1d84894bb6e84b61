import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const SOURCE = fileURLToPath(new URL('../../native/src', import.meta.url));
const COMPILER = process.env['CXX'] ?? 'g++';
/** 20,000 for each second of STRESS_SECONDS (`npm run test:native-asan`). */
const RUNS = Number(process.env['STRESS_SECONDS'] ?? 5) * 20_000;

const compiler = spawnSync(COMPILER, ['--version']).status === 0;
if (!compiler) console.warn(`the parser fuzz test is skipped: no ${COMPILER}`);

describe.skipIf(!compiler)('the message parser', () => {
  let folder = '';
  let program = '';

  function compile(flags: readonly string[]): boolean {
    const families = readdirSync(SOURCE).filter((name) => name.endsWith('_family.cc'));
    const files = ['parser_fuzz.cc', 'message_parser.cc', 'attributes.cc', ...families].map((name) =>
      join(SOURCE, name),
    );
    const args = ['-std=gnu++17', '-O1', '-g', ...flags, ...files, '-o', program];
    return spawnSync(COMPILER, args).status === 0;
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'trotline-fuzz-'));
    program = join(folder, 'parser-fuzz');
    if (compile(['-fsanitize=address,undefined', '-fno-sanitize-recover=all'])) return;
    console.warn('the parser fuzz test runs without sanitizers: the compiler has none');
    expect(compile([])).toBe(true);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([1, 2])('survives truncated and mutated messages, counting them (seed %i)', (seed) => {
    const answer = execFileSync(program, [String(RUNS), String(seed)], { encoding: 'utf8' });
    const { runs, messages, malformed }: Record<string, number> = JSON.parse(answer);
    expect(runs).toBe(RUNS);
    expect(messages).toBeGreaterThan(RUNS / 10);
    expect(malformed).toBeGreaterThan(RUNS / 10);
  });
});

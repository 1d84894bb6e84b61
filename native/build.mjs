/**
 * Builds the addon and the native helpers. Run by `npm install`: a failure is one warning there (the sidecar lives without
 * the netlink source and says so), and an error with CI=true.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

function headers() {
  try {
    const folder = dirname(require.resolve(`node-linux-${process.arch}/package.json`));
    return existsSync(join(folder, 'include/node/node_api.h')) ? folder : null;
  } catch {
    return null;
  }
}

function build() {
  if (process.platform !== 'linux') return `the native part needs Linux, this is ${process.platform}`;
  const nodedir = headers();
  const gyp = require.resolve('node-gyp/bin/node-gyp.js');
  const args = [gyp, 'rebuild', '--directory', here, '--jobs', 'max', '--loglevel', 'error'];
  if (nodedir) args.push('--nodedir', nodedir);
  const run = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, npm_config_nodedir: nodedir ?? '' },
  });
  return run.status === 0 ? null : `${run.error?.message ?? ''}${run.stderr}`.trim().split('\n').slice(-12).join('\n');
}

const problem = build();
if (problem) {
  console.error(
    `trotline: the native part was not built, netlink and script will be unavailable (needs g++, make, Python 3):\n${problem}`,
  );
  if (process.env.CI === 'true') process.exit(1);
}

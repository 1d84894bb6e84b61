/**
 * Builds the addon and the native helpers. Run by `npm install`: a failure is one warning there (the sidecar lives without
 * the netlink source and says so), and an error with CI=true.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);

/** Node-API's headers are the same for every Node: those of this project's Node, or of the one that runs us. */
function headers() {
  const folders = [dirname(dirname(realpathSync(process.execPath)))];
  try {
    folders.unshift(dirname(require.resolve(`node-linux-${process.arch}/package.json`)));
  } catch {
    // A packed library does not bring Node.
  }
  return folders.find((folder) => existsSync(join(folder, 'include/node/node_api.h'))) ?? null;
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
  return run.status === 0 ? null : `${run.error?.message ?? ''}${run.stdout}${run.stderr}`.trim();
}

/** The line of node-gyp's and the compiler's talk that tells people most. */
function reasonOf(problem) {
  const lines = problem.split('\n').map((line) => line.replace(/^gyp ERR! (stack )?(Error: )?/, ''));
  return lines.find((line) => /not found|no such file|could not find|\berror:/i.test(line)) ?? lines.at(-1);
}

const problem = build();
if (problem) {
  const isError = process.env.CI === 'true';
  const said = isError ? `\n${problem}` : ` ${reasonOf(problem)}`;
  console.error(
    `trotline: the native part was not built (needs g++, make, Python 3): netlink and script will be unavailable:${said}`,
  );
  if (isError) process.exit(1);
}

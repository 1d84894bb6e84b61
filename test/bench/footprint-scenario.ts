/** Runs inside a network namespace of its own. Arguments: the project's folder, seconds. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { dataFiles } from '#control-plane';

import { eventually } from '../kit/eventually.ts';
import { Killable } from '../kit/kill/processes.ts';
import { addVeth, ip } from '../kit/netns.ts';
import { asPackage } from '../kit/package.ts';
import { rssMiB, spawnerOf } from '../kit/proc.ts';
import { hookYaml } from '../kit/thread.ts';

const [root = '', seconds = '0'] = process.argv.slice(2);
const COLD_STARTS = 5;
const CHANGES_PER_SECOND = 100;

const folder = await mkdtemp(join(tmpdir(), 'trotline-bench-'));
const files = dataFiles(folder);
const hooks = join(folder, 'hooks');
await mkdir(hooks);
// A script each second, a webhook-free hook for every event: what a quiet node does.
const script = join(hooks, 'run.sh');
await writeFile(script, '#!/bin/sh\n', { mode: 0o755 });
const config = `command: [${script}]`;
await writeFile(join(hooks, 'run.yaml'), hookYaml('run', { spec: 'condition: "netlink.link.mtu == 1300"', config }));
await writeFile(join(hooks, 'all.yaml'), hookYaml('all', { spec: 'mode: audit' }));
ip('link', 'set', 'lo', 'up');
addVeth('bench0', 'bench1');

const entry = await asPackage(root, join(folder, 'package'));
const controlPlane = new Killable(
  entry,
  ['control-plane', '--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0'],
  /control plane started/,
  [],
);
const sidecar = new Killable(
  entry,
  [
    'sidecar',
    '--control-plane',
    `unix:${files.socket}`,
    '--data',
    files.sidecar,
    '--node',
    'bench',
    '--up-hooks',
    hooks,
  ],
  /sidecar running/,
  // Beside those that the package runs it with.
  (process.env.FLAGS ?? '').split(' ').filter((flag) => flag !== ''),
);
await controlPlane.start();
const starts: number[] = [];
for (let start = 0; start < COLD_STARTS; start++) {
  await sidecar.kill('SIGTERM');
  const from = performance.now();
  await sidecar.start();
  starts.push(performance.now() - from);
}
starts.sort((a, b) => a - b);

const changes = spawn('ip', ['-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
let mtu = 1300;
const perTick = CHANGES_PER_SECOND / 10;
const producer = setInterval(() => {
  let lines = '';
  for (let change = 0; change < perTick; change++)
    lines += `link set bench0 mtu ${1300 + (mtu++ % CHANGES_PER_SECOND)}\n`;
  changes.stdin.write(lines);
}, 100);

const rss: number[] = [];
const spawnerRss: number[] = [];
for (let second = 0; second < Number(seconds); second++) {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  rss.push(await rssMiB(sidecar.pid));
  const spawner = await spawnerOf(sidecar.pid);
  if (spawner !== null) spawnerRss.push(await rssMiB(spawner));
}
clearInterval(producer);
changes.stdin.end();
await eventually(() => {
  if (!sidecar.output.includes('sidecar running')) throw new Error('the sidecar is gone');
});
await sidecar.kill('SIGTERM');
await controlPlane.kill('SIGTERM');
await rm(folder, { recursive: true, force: true });

const secondHalf = rss.slice(Math.floor(rss.length / 2));
process.stdout.write(
  `${JSON.stringify({
    metrics: {
      rssMiB: Math.max(...secondHalf),
      spawnerRssMiB: Math.max(0, ...spawnerRss),
      coldStartMs: starts[Math.floor(COLD_STARTS / 2)] ?? 0,
    },
    runs: 1,
    spread: {
      rssMiB: [Math.min(...secondHalf), Math.max(...secondHalf)],
      coldStartMs: [starts[0] ?? 0, starts.at(-1) ?? 0],
    },
  })}\n`,
);
process.exit(0);

/**
 * A process that is alone in the cgroup argv[3] of the hierarchy argv[2], as a sidecar that was given one is, runs a program with
 * limits of its tree. Prints one line of JSON.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Spawner, type SpawnRequest } from '#native';

import { Cgroups } from '../../../sidecar/cgroups.ts';

const [, , mount = '', group = ''] = process.argv;
const never = new AbortController().signal;
const read = (...path: string[]) => readFileSync(join(...path), 'utf8').trim();
const lines = (...path: string[]) =>
  read(...path)
    .split('\n')
    .filter(Boolean);
const folders = () =>
  readdirSync(group, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));

writeFileSync(join(group, 'cgroup.procs'), '0');
const spawner = await Spawner.start({ lockFile: null });
const request = (argv: readonly string[], cgroup: string): SpawnRequest => ({
  argv,
  env: { PATH: '/usr/bin:/bin' },
  timeoutMs: 300,
  stdin: null,
  directory: null,
  cgroup,
  uid: 65_534,
  gid: 65_534,
  groups: [65_534],
  limits: { openFiles: 4 },
  outputLimit: 1000,
});

/** Where the controllers of real limits are not handed down to us, any other shows that the rest is right. */
const controllers = read(group, 'cgroup.controllers').split(' ').filter(Boolean);
const [instead] = controllers;
const file = instead === 'hugetlb' ? 'hugetlb.2MB.max' : 'pids.max';
const controller = controllers.includes('pids') ? 'pids' : (instead ?? '');
const limits = {
  memoryBytes: { controller, settings: () => ({}) },
  cpuPercent: { controller, settings: () => ({}) },
  pids: { controller, settings: (value: number) => ({ [file]: String(value * 2_097_152) }) },
};
const asked = controller === '' ? {} : { pids: 3 };
const cgroups = new Cgroups({ mount, ...(controller === '' ? {} : { limits }) });

const told: Record<string, unknown> = { controller };
{
  await using one = await cgroups.enter(asked);
  told['sidecar'] = read('/proc/self/cgroup')
    .split('\n')
    .find((line) => line.startsWith('0::'));
  told['left'] = lines(group, 'cgroup.procs');
  told['handedDown'] = read(group, 'cgroup.subtree_control');
  told['limit'] = controller === '' ? null : Number(read(one.path, file));
  const ended = await spawner.run(request(['/bin/grep', '^0::', '/proc/self/cgroup'], one.path), never);
  told['program'] = [ended.output.trim(), `0::${one.path.slice(mount.length)}`];
  const hangs = await spawner.run(request(['/bin/sh', '-c', 'setsid sleep 60 & sleep 60'], one.path), never);
  told['hangs'] = [hangs.timedOut, lines(one.path, 'cgroup.procs')];
  const gone = await spawner.run(request(['/bin/true'], `${one.path}/none`), never);
  told['gone'] = gone.startError;
}
told['removed'] = folders();
const two = await cgroups.enter(asked);
const orphan = spawn('/bin/sh', ['-c', `echo $$ > ${two.path}/cgroup.procs && exec sleep 60`]);
while (!lines(two.path, 'cgroup.procs').includes(String(orphan.pid))) await new Promise(setImmediate);
const exit = once(orphan, 'exit');
await two[Symbol.asyncDispose]();
told['orphan'] = (await exit)[1];
told['end'] = folders();
await spawner.stop();
console.log(JSON.stringify(told));

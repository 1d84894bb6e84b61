/**
 * Runs in a network namespace of its own: the shipped programs hear a link that changes all the time and run a script for each
 * event, while the sidecar, the control plane or the spawner is killed at random. Arguments: points, seed. Says one JSON line.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { dataFiles } from '#control-plane';

import { Killable } from '../kit/kill/processes.ts';
import { addVeth, ip } from '../kit/netns.ts';
import { spawnerOf } from '../kit/proc.ts';
import { hookYaml } from '../kit/thread.ts';
import { allEvents, randomOf, settledLedger } from './kill.ts';

const [points = '0', seed = '0'] = process.argv.slice(2);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHANGES_PER_SECOND = 40;

const random = randomOf(Number(seed));
const folder = await mkdtemp(join(tmpdir(), 'trotline-links-'));
const files = dataFiles(folder);
const hooks = join(folder, 'hooks');
const notes = join(folder, 'notes');
await mkdir(hooks);
await writeFile(notes, '');
// A script that leaves a child of another session behind: it must not write beside a repeat either.
const script = `#!/bin/sh
say() { echo "$TROTLINE_DELIVERY_ID $TROTLINE_ATTEMPT $1" >> ${notes}; }
say start
setsid sh -c 'sleep 0.2; echo "$TROTLINE_DELIVERY_ID $TROTLINE_ATTEMPT late" >> ${notes}' &
sleep 0.05
say end
`;
await writeFile(join(hooks, 'note.sh'), script, { mode: 0o755 });
const spec = `condition: "interface =~ 'churn.*'"`;
await writeFile(join(hooks, 'a.yaml'), hookYaml('counted', { spec, config: `command: [${join(hooks, 'note.sh')}]` }));

ip('link', 'set', 'lo', 'up');
addVeth('churn0', 'other0');
const controlPlane = new Killable(
  join(ROOT, 'control-plane/main.ts'),
  ['--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0'],
  /control plane started/,
);
const sidecar = new Killable(
  join(ROOT, 'sidecar/main.ts'),
  ['--control-plane', `unix:${files.socket}`, '--data', files.sidecar, '--node', 'links', '--up-hooks', hooks],
  /sidecar running/,
);
await controlPlane.start();
await sidecar.start();

const churn = spawn('ip', ['-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
let mtu = 0;
const producer = setInterval(
  () => churn.stdin.write(`link set churn0 mtu ${1300 + (mtu++ % 100)}\n`),
  1000 / CHANGES_PER_SECOND,
);

const killed = { sidecar: 0, controlPlane: 0, spawner: 0 };
for (let point = 0; point < Number(points); point++) {
  await new Promise((resolve) => setTimeout(resolve, 100 + random() * 600));
  const draw = random();
  if (draw < 0.5) {
    killed.sidecar++;
    await sidecar.kill();
    await sidecar.start();
  } else if (draw < 0.7) {
    killed.controlPlane++;
    await controlPlane.kill();
    await controlPlane.start();
  } else {
    const spawner = await spawnerOf(sidecar.pid);
    if (spawner !== null) {
      killed.spawner++;
      process.kill(spawner, 'SIGKILL');
    }
  }
}
clearInterval(producer);
churn.stdin.end();

const node = await settledLedger(folder);
const events = await allEvents(folder);
await sidecar.kill('SIGTERM');
await controlPlane.kill('SIGTERM');
const lines = (await readFile(notes, 'utf8')).trimEnd().split('\n');
await rm(folder, { recursive: true, force: true });
const outcomes = events.flatMap(({ hooks: [hook] }) => (hook ? [hook] : []));
process.stdout.write(`${JSON.stringify({ killed, ledger: node, outcomes, lines })}\n`, () => process.exit(0));

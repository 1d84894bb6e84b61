/** What the tests run in a network namespace: `scenarios.ts NAME [ENTRY]`, the result as one JSON line. */
import { chown, lchown, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { eventually } from '../../kit/eventually.ts';
import { addVeth, ip } from '../../kit/netns.ts';
import { allGone, childrenOf, doWhatItSays, isAlive, type ListedHook, Place, Up } from '../kit.ts';
import { startReceiver } from '../receiver.ts';

const isDelivered = ({ outcome }: ListedHook): boolean => outcome === 'delivered';

/** The printed commands, done; then Ctrl-C in the terminal. `entry`: of another Trotline than this one. */
async function firstTry(entry?: string) {
  await using place = await Place.make(entry);
  await using receiver = await startReceiver(204);
  await using up = await Up.start(place);
  const commands = doWhatItSays(up.stderr);
  const events = await place.events(4, isDelivered);
  const [stats, ledger] = await Promise.all([place.list('hooks', 'stats'), place.list('ledger')]);
  const shown = await place.list('events', 'show', events.find(({ type }) => type === 'netlink.link-deleted')!.id);
  const log = (await readdir(place.folder)).find((name) => name.startsWith('trotline-links-'))!;
  const logged = await readFile(join(place.folder, log), 'utf8');
  await eventually(() => up.stdout.trim().split('\n').length >= 4);
  const processes = [up.pid, ...(await up.children)];
  up.signalGroup('SIGINT');
  const end = await up.end();
  const gone = await allGone(processes);
  const { stdout, stderr } = up;
  return { commands, stdout, stderr, events, stats, ledger, shown, logged, requests: receiver.requests, end, gone };
}

/** A program or `npm` passes the signal on to us alone; what runs is waited for. */
async function interruptedAlone() {
  await using place = await Place.make();
  await using receiver = await startReceiver(204);
  await place.addScript('slow', `until [ -e ${place.folder}/go ]; do sleep 0.05; done; echo done`);
  await using up = await Up.start(place);
  addVeth('hello', 'hello2');
  const script = await place.scriptPid('slow');
  up.signal('SIGINT');
  up.signal('SIGINT');
  await up.said(/draining: /);
  const draining = await isAlive(script);
  await writeFile(join(place.folder, 'go'), '');
  const end = await up.end();
  return { draining, end, stderr: up.stderr, requests: receiver.requests.length };
}

/** What is pending when it stops is delivered after the next start, under the same delivery id. */
async function secondStart() {
  await using place = await Place.make();
  const refused: string[] = [];
  let stopped;
  {
    await using receiver = await startReceiver(503);
    await using up = await Up.start(place);
    addVeth('hello', 'hello2');
    await eventually(() => receiver.requests.length >= 2, { timeoutMs: 20_000 });
    up.signalGroup('SIGINT');
    stopped = { ...(await up.end()), stderr: up.stderr };
    refused.push(...receiver.requests.map(({ headers }) => String(headers['webhook-id'])));
  }
  await using receiver = await startReceiver(204);
  await using up = await Up.start(place);
  // The next round may be half a minute away.
  const events = await place.events(2, isDelivered, 75_000);
  const delivered = receiver.requests.map(({ headers }) => String(headers['webhook-id']));
  up.signalGroup('SIGINT');
  const end = await up.end();
  return { refused, delivered, events, stopped, end };
}

async function secondCtrlC() {
  await using place = await Place.make();
  await place.addScript('slow', 'sleep 60');
  await using up = await Up.start(place);
  addVeth('hello', 'hello2');
  const script = await place.scriptPid('slow');
  const children = await up.children;
  up.signalGroup('SIGINT');
  await up.said(/waiting for the sidecar/);
  up.signalGroup('SIGINT');
  const end = await up.end();
  return { end, gone: await allGone([script, ...children]), stderr: up.stderr };
}

async function killed() {
  await using place = await Place.make();
  await place.addScript('slow', 'sleep 60');
  await using up = await Up.start(place);
  addVeth('hello', 'hello2');
  const script = await place.scriptPid('slow');
  const children = await up.children;
  up.signal('SIGKILL');
  return { children: children.length, gone: await allGone([script, ...children]) };
}

async function sidecarKilled() {
  await using place = await Place.make();
  await place.addScript('slow', 'sleep 60');
  await using up = await Up.start(place);
  addVeth('hello', 'hello2');
  const script = await place.scriptPid('slow');
  const children = await up.children;
  process.kill(children[1]!, 'SIGKILL');
  const end = await up.end();
  return { end, stderr: up.stderr, gone: await allGone([script, ...children]) };
}

/** The first screen, an event of a link with a hostile name, Ctrl-C; all as the terminal got it. */
async function terminal(env: NodeJS.ProcessEnv) {
  await using place = await Place.make();
  await using receiver = await startReceiver(204);
  await using up = await Up.inTerminal(place, env);
  const screen = up.stdout;
  addVeth('\u001b[31m\u202ered\u009b', 'hello2');
  await up.said(/link-added .*hello2/);
  await up.said(/link-added .*red/);
  up.type('\u0003');
  const end = await up.end();
  return { screen, output: up.stdout, end, requests: receiver.requests.length };
}

/** A user without any capability. */
async function ordinaryUser() {
  const nobody = 65_534;
  await using place = await Place.make();
  await chown(place.folder, nobody, nobody);
  for (const name of await readdir(place.hooks, { recursive: true }))
    await lchown(join(place.hooks, name), nobody, nobody);
  await chown(place.hooks, nobody, nobody);
  await using receiver = await startReceiver(204);
  await using up = await Up.start(
    place,
    `setpriv --reuid=${nobody} --regid=${nobody} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs`.split(
      ' ',
    ),
  );
  doWhatItSays(up.stderr);
  const events = await place.events(4, isDelivered);
  const users = await Promise.all((await up.children).map(async (pid) => [pid, await childrenOf(pid)]));
  up.signalGroup('SIGINT');
  const end = await up.end();
  return { stderr: up.stderr, events, users, end, requests: receiver.requests.length };
}

/** With a sources file; and with one that is wrong. */
async function sourcesFile() {
  await using place = await Place.make();
  const file = join(place.folder, 'sources.yaml');
  const args = ['--sources', file];
  await writeFile(file, 'version: 1\nsources:\n  netlink: { families: [adr] }\n');
  const wrong = await Up.start(place, [], args).catch((error: unknown) => String(error));
  await writeFile(file, 'version: 1\nsources:\n  netlink: { families: [addr], namespaces: own }\n');
  await using up = await Up.start(place, [], args);
  addVeth('hello', 'hello2');
  ip('addr', 'add', '192.0.2.1/32', 'dev', 'hello');
  const heard = await eventually(async () => {
    const rows = await place.list<{ kind: string; heard: number }[]>('ledger');
    const source = rows.find(({ kind }) => kind === 'source');
    if (!source || source.heard === 0) throw new Error('nothing is heard yet');
    return source.heard;
  });
  up.signalGroup('SIGINT');
  return { wrong, stderr: up.stderr, heard, end: await up.end() };
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  firstTry: () => firstTry(process.argv[3]),
  interruptedAlone,
  secondStart,
  secondCtrlC,
  killed,
  sidecarKilled,
  terminal: () => terminal({}),
  terminalWithoutColour: () => terminal({ NO_COLOR: '1' }),
  ordinaryUser,
  sourcesFile,
};

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
ip('link', 'set', 'lo', 'up');
process.stdout.write(`${JSON.stringify(await scenario())}\n`);

/** What `namespaces.test.ts` runs in a network and mount namespace: `namespace-scenarios.ts NAME`, the result as one JSON line. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync, statSync, writeFileSync } from 'node:fs';

import type { SourceHealth, TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { ip } from '../../kit/netns.ts';
import type { Thread } from '../../kit/thread.ts';
import { Ear } from './ear.ts';
import { produceIn, TINY_BYTES } from './kit.ts';

const LINKS = { families: ['link'] };
/** The opener looks at the processes every two seconds, and takes a namespace that only they have at the second look. */
const FOUND = { timeoutMs: 20_000 };

/** `type namespace subject`, of those that are about our own namespaces. */
function described(events: readonly TrotlineEvent[], ...namespaces: readonly string[]): string[] {
  return events
    .filter(({ namespace }) => namespaces.includes(namespace))
    .map(({ type, namespace, interface: name }) => `${type.replace('netlink.', '')} ${namespace} ${name}`.trim());
}

async function heardOf(ear: Ear, type: string, namespace: string): Promise<TrotlineEvent> {
  return eventually(() => {
    const found = ear.events.find((event) => event.type === `netlink.${type}` && event.namespace === namespace);
    const heard = ear.events.slice(-20).map((event) => `${event.type} ${event.namespace}`);
    if (!found) throw new Error(`no ${type} of ${namespace} in ${heard.join(', ')}`);
    return found;
  }, FOUND);
}

/** A process that is alone in a network namespace. */
async function aloneInNetns(): Promise<ChildProcess> {
  const child = spawn('unshare', ['-n', 'sh', '-c', 'echo; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  process.once('exit', () => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

async function comesAndGoes(): Promise<unknown> {
  const ear = new Ear();
  await using _thread = await ear.listen(LINKS);
  ip('netns', 'add', 'blue');
  const added = await heardOf(ear, 'netns-added', 'blue');
  const { ino } = statSync('/run/netns/blue');
  ip('-n', 'blue', 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
  await heardOf(ear, 'link-added', 'blue');
  ip('netns', 'del', 'blue');
  await heardOf(ear, 'netns-deleted', 'blue');
  return { inode: added.attributes['netlink.netns.inode'] === ino, events: described(ear.events, 'blue').sort() };
}

/** What exists at the start is known and not told; a second life of a name is another namespace. */
async function existing(): Promise<unknown> {
  ip('netns', 'add', 'blue');
  ip('-n', 'blue', 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
  const ear = new Ear();
  await using _thread = await ear.listen(LINKS);
  ip('-n', 'blue', 'link', 'set', 'va', 'mtu', '1400');
  await heardOf(ear, 'link-changed', 'blue');
  return described(ear.events, 'blue');
}

async function ofAProcess(): Promise<unknown> {
  const ear = new Ear();
  await using _thread = await ear.listen(LINKS);
  const child = await aloneInNetns();
  const name = `pid-${child.pid}`;
  const added = await heardOf(ear, 'netns-added', name);
  const inode = Number(/\d+/.exec(readlinkSync(`/proc/${child.pid}/ns/net`))?.[0]);
  ip('netns', 'attach', 'green', String(child.pid));
  // A file gives the name that hooks know, but no event tells that it was seen; the process's was there for want of one.
  let mtu = 60_000;
  await eventually(() => {
    ip('-n', 'green', 'link', 'set', 'lo', 'mtu', String(++mtu));
    if (!ear.events.some(({ namespace }) => namespace === 'green')) throw new Error(`still ${name}`);
  }, FOUND);
  ip('-n', 'green', 'link', 'set', 'lo', 'up');
  const up = await heardOf(ear, 'link-up', 'green');
  child.kill('SIGKILL');
  await once(child, 'exit');
  ip('-n', 'green', 'link', 'set', 'lo', 'down');
  const down = await heardOf(ear, 'link-down', 'green');
  ip('netns', 'del', 'green');
  await heardOf(ear, 'netns-deleted', 'green');
  return { inode: added.attributes['netlink.netns.inode'] === inode, turns: [up.interface, down.interface] };
}

/** The first name stays, also when it is taken away; the namespace goes with its last one. */
async function secondName(): Promise<unknown> {
  ip('netns', 'add', 'blue');
  const ear = new Ear();
  await using _thread = await ear.listen(LINKS);
  writeFileSync('/run/netns/azure', '');
  execFileSync('mount', ['--bind', '/run/netns/blue', '/run/netns/azure']);
  ip('-n', 'azure', 'link', 'set', 'lo', 'up');
  await heardOf(ear, 'link-up', 'blue');
  ip('netns', 'del', 'blue');
  ip('-n', 'azure', 'link', 'set', 'lo', 'down');
  await heardOf(ear, 'link-down', 'blue');
  ip('netns', 'del', 'azure');
  await heardOf(ear, 'netns-deleted', 'blue');
  return described(ear.events, 'blue', 'azure').filter((text) => !text.startsWith('link-changed'));
}

/** Namespaces that come and go faster than anybody looks, on numbers that the kernel gives again. */
async function inQuickSuccession(): Promise<unknown> {
  const ear = new Ear();
  await using _thread = await ear.listen(LINKS);
  for (let count = 0; count < 50; count++) {
    ip('netns', 'add', `q${count}`);
    if (count % 2 === 0) ip('-n', `q${count}`, 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
    ip('netns', 'del', `q${count}`);
  }
  const names = ['blue', 'green', 'red'];
  for (const name of names) ip('netns', 'add', name);
  for (const name of names) {
    await heardOf(ear, 'netns-added', name);
    ip('-n', name, 'link', 'add', `v${name}`, 'type', 'veth', 'peer', 'name', 'vb');
    await eventually(() => ear.events.some(({ interface: link }) => link === `v${name}`), FOUND);
  }
  await eventually(() => {
    const left = [...Array(50).keys()].filter((number) => isOpen(ear.events, `q${number}`));
    if (left.length > 0) throw new Error(`still there: ${left.join(' ')}`);
  }, FOUND);
  const silent = [...Array(25).keys()].map((half) => `q${half * 2}`).filter((name) => isSilent(ear.events, name));
  return [
    silent,
    ...names.map((name) => [
      ...new Set(ear.events.filter((event) => event.interface === `v${name}`).map(({ namespace }) => namespace)),
    ]),
  ];
}

/** Of its links nothing was told, and not either that they may be missing. */
function isSilent(events: readonly TrotlineEvent[], namespace: string): boolean {
  const own = events.filter((event) => event.namespace === namespace);
  const deleted = own.find(({ type }) => type === 'netlink.netns-deleted');
  return deleted?.attributes['netlink.netns.listed'] === true && !own.some((event) => event.interface === 'va');
}

function isOpen(events: readonly TrotlineEvent[], namespace: string): boolean {
  const count = (type: string): number =>
    events.filter((event) => event.type === `netlink.${type}` && event.namespace === namespace).length;
  return count('netns-added') !== count('netns-deleted');
}

/** Links that come and go in several namespaces while messages are lost in all: each is told once, where it was. */
async function overflow(): Promise<unknown> {
  const names = ['blue', 'green', 'red'];
  for (const name of names) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
    ip('-n', name, 'link', 'add', 'old', 'type', 'veth', 'peer', 'name', 'old2');
  }
  const ear = new Ear();
  const condition = 'condition: "interface != \'va\'"';
  await using _thread = await ear.listen({ ...LINKS, receiveBuffer: TINY_BYTES }, condition);
  for (let turn = 0; turn === 0 || (turn < 20 && !ear.types().includes('overflow')); turn++) {
    for (const name of names) {
      produceIn(name, 'va', 1000);
      if (turn === 0) ip('-n', name, 'link', 'del', 'old');
      if (turn === 0) ip('-n', name, 'link', 'add', `new-${name}`, 'type', 'veth', 'peer', 'name', 'new2');
      produceIn(name, 'va', 1000);
    }
  }
  await ear.heard('overflow');
  for (const name of names) await heardOf(ear, 'resynced', name);
  const count = (type: string, name: string, link: string): number =>
    ear.events.filter(
      (event) => event.type === `netlink.${type}` && event.namespace === name && event.interface === link,
    ).length;
  return eventually(() => {
    const told = names.map((name) => [count('link-deleted', name, 'old'), count('link-added', name, `new-${name}`)]);
    if (told.flat().includes(0)) throw new Error(`told so far: ${JSON.stringify(told)}`);
    return told;
  }, FOUND);
}

/** What a process without some capabilities hears of what is done here. */
async function heardWithout(capabilities: string, hearer: string, act: () => void): Promise<unknown> {
  const node = [process.execPath, '--conditions=source', process.argv[1] ?? '', hearer];
  const child = spawn('setpriv', ['--inh-caps', capabilities, '--bounding-set', capabilities, ...node], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await eventually(() => {
    if (!text.includes('ready\n')) throw new Error('not ready');
  }, FOUND);
  act();
  await once(child, 'exit');
  const told: unknown = JSON.parse(text.replace('ready\n', ''));
  return told;
}

/** What the sidecar says of itself without the capabilities to look into another namespace. */
async function withoutEntry(): Promise<unknown> {
  ip('netns', 'add', 'blue');
  return heardWithout('-sys_admin,-sys_ptrace', 'hear', () => ip('-n', 'blue', 'link', 'set', 'lo', 'up'));
}

async function hear(): Promise<unknown> {
  const ear = new Ear();
  await using thread = await ear.listen({});
  process.stdout.write('ready\n');
  const up = await heardOf(ear, 'link-up', 'blue');
  return { up: up.interface, ...(await healthOf(thread)) };
}

/** Without any capability. */
async function withoutAll(): Promise<unknown> {
  ip('netns', 'add', 'blue');
  ip('link', 'set', 'lo', 'up');
  return heardWithout('-all', 'hearOwn', () => {
    ip('-n', 'blue', 'link', 'set', 'lo', 'up');
    ip('link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
    ip('link', 'set', 'va', 'up');
    ip('addr', 'add', '10.1.0.1/24', 'dev', 'va');
    ip('neigh', 'add', '10.1.0.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'va');
    ip('route', 'add', 'unreachable', '10.4.0.0/16');
    ip('rule', 'add', 'from', '10.8.0.0/16', 'lookup', '77');
    ip('link', 'del', 'va');
  });
}

async function hearOwn(): Promise<unknown> {
  const ear = new Ear();
  await using thread = await ear.listen({});
  process.stdout.write('ready\n');
  await ear.heard('link-deleted', 2);
  const types = [...new Set(ear.types())].sort();
  return { types, namespaces: [...new Set(ear.events.map(({ namespace }) => namespace))], ...(await healthOf(thread)) };
}

async function healthOf(thread: Thread): Promise<SourceHealth> {
  return eventually(async () => {
    const [node] = await thread.ledger();
    const found = node?.ledger.health.find(({ source }) => source === 'netlink');
    if (found?.hears === undefined) throw new Error(`health: ${JSON.stringify(found)}`);
    return found;
  }, FOUND);
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  comesAndGoes,
  existing,
  ofAProcess,
  secondName,
  inQuickSuccession,
  overflow,
  withoutEntry,
  hear,
  withoutAll,
  hearOwn,
};

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
if (scenario !== hear && scenario !== hearOwn) execFileSync('mount', ['-t', 'tmpfs', 'none', '/run']);
process.stdout.write(`${JSON.stringify(await scenario())}\n`, () => process.exit(0));

/**
 * Runs in network, mount and process namespaces of its own: the shipped programs hear twenty network namespaces in which links,
 * addresses, neighbours, routes and rules come and go, namespaces too. At the end messages are lost on purpose, and the resync of
 * every namespace must find nothing that was not known. Arguments: the project's folder, seconds. Says one JSON line.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { dataFiles } from '#control-plane';

import type { EventSummary, NodeLedger } from '../../control-plane/store/types.ts';
import { eventually } from '../kit/eventually.ts';
import { Killable } from '../kit/kill/processes.ts';
import { addVeth, ip } from '../kit/netns.ts';
import { asPackage } from '../kit/package.ts';
import { childrenOf, nameOf, rssMiB } from '../kit/proc.ts';
import { api } from './kill.ts';
import { Storm } from './storm-changes.ts';
import { checkedLedger, eventOf, writeHooks } from './storm-ledger.ts';

const [root = '', secondsText = '0'] = process.argv.slice(2);
const SECONDS = Number(secondsText);
const NAMESPACES = 20;
const CHANGES_PER_SECOND = 1000;
/** More than the receive buffer holds. */
const LOST_ON_PURPOSE = 100_000;
const BUCKET_SECONDS = 30;
const PRODUCER = join(root, 'native/build/Release/link-producer');

execFileSync('mount', ['-t', 'tmpfs', 'none', '/run']);
const folder = await mkdtemp(join(tmpdir(), 'trotline-storm-'));
const files = dataFiles(folder);
const hooks = join(folder, 'hooks');
await mkdir(hooks);
await writeHooks(hooks);
ip('link', 'set', 'lo', 'up');
addVeth('burst0', 'burst1');

const entry = await asPackage(root, join(folder, 'package'));
const controlPlane = new Killable(
  entry,
  ['control-plane', '--data', folder, '--hooks', hooks, '--api', '127.0.0.1:0'],
  /control plane started/,
  [],
);
const own = ['--data', files.sidecar, '--node', 'storm', '--up-hooks', hooks];
const sidecar = new Killable(
  entry,
  ['sidecar', '--control-plane', `unix:${files.socket}`, ...own],
  /sidecar running/,
  [],
);
await controlPlane.start();
await sidecar.start();

const storm = new Storm(NAMESPACES, CHANGES_PER_SECOND);
const rss: number[] = [];
const before = await ledger();
const startedAt = performance.now();
storm.begin();
while (performance.now() - startedAt < SECONDS * 1000) {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  rss.push(await rssMiB(sidecar.pid));
}
await storm.end();
const seconds = (performance.now() - startedAt) / 1000;
const after = await settled();

const told = await lossOnPurpose();
const node = await settled();
const figures = checkedLedger(node, await Promise.all(told.overflows.map(({ id }) => eventOf(folder, id))));
const children = await childrenOf(sidecar.pid);
const childrenRss = await Promise.all(children.map(async (pid) => [await nameOf(pid), Math.round(await rssMiB(pid))]));
const output = sidecar.output;
await sidecar.kill('SIGTERM');
await controlPlane.kill('SIGTERM');
await rm(folder, { recursive: true, force: true });

const half = Math.floor(rss.length / 2);
process.stdout.write(
  `${JSON.stringify({
    seconds: Math.round(seconds),
    changes: storm.changes,
    changesPerSecond: Math.round(storm.changes / seconds),
    heard: heardOf(after) - heardOf(before),
    heardPerSecond: Math.round((heardOf(after) - heardOf(before)) / seconds),
    lostInStorm: lostOf(after),
    ...figures,
    differencesAtEnd: told.differences,
    problems: problemsIn(output),
    rssMiB: buckets(rss),
    rssFirstHalfMiB: Math.max(...rss.slice(0, half)),
    rssSecondHalfMiB: Math.max(...rss.slice(half)),
    childrenRssMiB: Object.fromEntries(childrenRss),
  })}\n`,
  () => process.exit(0),
);

async function ledger(): Promise<NodeLedger> {
  return eventually(
    async () => {
      const [first] = await api<NodeLedger[]>(folder, '/v1/ledger');
      if (!first) throw new Error('no sidecar is known');
      return first;
    },
    { timeoutMs: 10_000, intervalMs: 100 },
  );
}

/** Once nothing new is heard or found, nothing is pending, and everything is stored. */
async function settled(): Promise<NodeLedger> {
  let told = '';
  return eventually(
    async () => {
      const now = await ledger();
      const known = told;
      told = JSON.stringify(now.ledger.sources);
      if (told !== known) throw new Error(`still hears: ${told}`);
      const waiting = now.ledger.hooks.filter(({ pending }) => pending > 0);
      if (waiting.length > 0) throw new Error(`${waiting.map(({ hook }) => hook).join()} have pending events`);
      if (now.storedSequence !== now.ledger.outcomeSequence) throw new Error('not everything is stored');
      return now;
    },
    // Longer than a ledger, and the lists of all namespaces that are due, take to come.
    { timeoutMs: 120_000, intervalMs: 6000 },
  );
}

/** The sidecar sleeps while more comes than the kernel keeps for it; what the resyncs find afterwards was not known. */
async function lossOnPurpose() {
  const from = Date.now();
  sidecar.signal('SIGSTOP');
  execFileSync(PRODUCER, ['burst0', String(LOST_ON_PURPOSE)]);
  sidecar.signal('SIGCONT');
  const heard = NAMESPACES + 1;
  const since = `sinceMs=${from}&limit=10000`;
  await eventually(
    async () => {
      const all = await api<EventSummary[]>(folder, `/v1/events?type=netlink.resynced&${since}`);
      const events = await Promise.all(all.map(({ id }) => eventOf(folder, id)));
      const afterLoss = events.filter(({ attributes }) => attributes['netlink.overflow.lost'] !== undefined);
      const names = new Set(afterLoss.map(({ namespace }) => namespace));
      if (names.size < heard) throw new Error(`${names.size} of ${heard} namespaces are compared`);
    },
    { timeoutMs: 60_000, intervalMs: 500 },
  );
  const overflows = await api<EventSummary[]>(folder, `/v1/events?type=netlink.overflow&limit=10000`);
  const found = await api<EventSummary[]>(folder, `/v1/events?hook=trotline/found&${since}`);
  const differences = await Promise.all(found.map(({ id }) => eventOf(folder, id)));
  // The link of the burst is what was lost of; it is in the own namespace.
  const elsewhere = differences.filter(({ namespace }) => namespace !== '');
  return {
    overflows,
    differences: elsewhere.map(({ namespace, type, subject }) => `${namespace}: ${type} ${subject}`),
  };
}

function heardOf({ ledger: { sources } }: NodeLedger): number {
  return sources.reduce((sum, { heard }) => sum + heard, 0);
}

function lostOf({ ledger: { sources } }: NodeLedger): number {
  return sources.flatMap(({ lost }) => Object.values(lost)).reduce((sum, count) => sum + count, 0);
}

/** The lines of its log that are more than information, without their time. */
function problemsIn(log: string): string[] {
  const lines = log.split('\n').filter((line) => /"level":"?(warn|error|fatal|[456]0)/.test(line));
  return [...new Set(lines.map((line) => line.replace(/"time":[^,]*,/, '')))].slice(0, 10);
}

function buckets(values: readonly number[]): number[] {
  const count = Math.ceil(values.length / BUCKET_SECONDS);
  return Array.from({ length: count }, (_, index) =>
    Math.round(Math.max(...values.slice(index * BUCKET_SECONDS, (index + 1) * BUCKET_SECONDS))),
  );
}

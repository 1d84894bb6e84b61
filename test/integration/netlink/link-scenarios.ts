/** What `links.test.ts` runs in a network namespace: `link-scenarios.ts NAME`, the result as one JSON line. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { addVeth, ip } from '../../kit/netns.ts';
import { hookYaml } from '../../kit/thread.ts';
import { netnsThread, NORMAL_BYTES, produce, produceAtPace, settledLedger, TINY_BYTES } from './kit.ts';

const PRODUCED = 10_000;
const ALL = { 'a.yaml': hookYaml('all') };

/** Every line of `ip monitor link` is one message of the kernel; those of links whose name begins with v. */
class Monitor implements Disposable {
  readonly #process = spawn('ip', ['-o', 'monitor', 'link'], { stdio: ['ignore', 'pipe', 'inherit'] });
  #text = '';
  #probes = 0;

  constructor() {
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
  }

  /** What comes from now on is heard. */
  async listens(): Promise<void> {
    await eventually(() => {
      ip('link', 'set', 'lo', 'mtu', String(65_000 + this.#probes++));
      return this.#text !== '';
    });
  }

  get lines(): string[] {
    return this.#text.split('\n').filter((line) => /^(Deleted )?\d+: v/.test(line));
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

/** What is done, and how many times a link comes, goes, or changes otherwise than by its carrier alone. */
const STEPS: readonly (readonly [name: string, turns: number, ...command: string[]])[] = [
  ['add', 2, 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb'],
  ['up', 1, 'set', 'va', 'up'],
  ['peer up', 2, 'set', 'vb', 'up'],
  ['mtu', 1, 'set', 'va', 'mtu', '1400'],
  ['peer down', 2, 'set', 'vb', 'down'],
  ['down', 1, 'set', 'va', 'down'],
  ['rename', 1, 'set', 'va', 'name', 'vc'],
  ['delete', 2, 'del', 'vc'],
];

/** The life of a veth: what each step made, and that each message of the kernel made one event. */
async function lifeOfALink(): Promise<unknown> {
  const events: TrotlineEvent[] = [];
  const hook = hookYaml('veth', { spec: 'condition: "interface =~ \'^v\'"' });
  const handled = (event: TrotlineEvent): void => void events.push(event);
  await using _thread = await netnsThread({ hooks: { 'a.yaml': hook }, handled });
  using monitor = new Monitor();
  await monitor.listens();
  const steps: Record<string, string[]> = {};
  for (const [name, turns, ...command] of STEPS) {
    const before = events.length;
    ip('link', ...command);
    steps[name] = await eventually(() => {
      const seen = events.slice(before).sort((one, other) => one.sequence - other.sequence);
      const described = seen.filter(isTurn).map(describe);
      if (described.length < turns) throw new Error(`${name}: ${described.join(', ')}`);
      return described.sort();
    });
  }
  await eventually(() => monitor.lines.length === events.length);
  const deleted = monitor.lines.filter((line) => line.startsWith('Deleted')).length;
  return { steps, deleted };
}

/** Null where the kernel has no bridges. */
async function bridge(): Promise<unknown> {
  try {
    ip('link', 'add', 'br0', 'type', 'bridge');
  } catch {
    return null;
  }
  addVeth('va', 'vb');
  const events: TrotlineEvent[] = [];
  const hook = hookYaml('veth', { spec: 'condition: "interface =~ \'^v\'"' });
  const handled = (event: TrotlineEvent): void => void events.push(event);
  await using _thread = await netnsThread({ hooks: { 'a.yaml': hook }, handled });
  ip('link', 'set', 'va', 'master', 'br0');
  ip('link', 'set', 'va', 'nomaster');
  ip('link', 'set', 'va', 'mtu', '1400');
  ip('link', 'del', 'va');
  await eventually(() => events.filter(({ type }) => type === 'netlink.link-deleted').length === 2);
  events.sort((one, other) => one.sequence - other.sequence);
  const masters = events.filter((event) => String(event.attributes['netlink.link.changed']).includes('master'));
  return {
    masters: masters.map(describe),
    left: events.filter(({ attributes }) => attributes['netlink.msg_type'] === 17).map(({ type }) => type),
    deleted: events
      .filter(({ messageType }) => messageType === 17)
      .map(describe)
      .sort(),
  };
}

/** How often a kernel tells of an operational state on its way is its own affair. */
function isTurn({ type, attributes }: TrotlineEvent): boolean {
  const changed = String(attributes['netlink.link.changed'] ?? '').split(',');
  return (
    type !== 'netlink.link-changed' || !changed.every((name) => ['', 'operstate', 'flags', 'qdisc'].includes(name))
  );
}

function describe({ type, interface: name, messageType, attributes }: TrotlineEvent): string {
  const cause = attributes['netlink.link.cause'];
  const changed = type === 'netlink.link-changed' ? attributes['netlink.link.changed'] : undefined;
  return `${name} ${type.replace('netlink.', '')} ${messageType} ${cause ?? changed ?? ''}`.trim();
}

/** Every change is delivered or said to be lost. */
async function burst(receiveBuffer: number): Promise<unknown> {
  const types: Record<string, number> = {};
  let delivered = 0;
  let told = 0;
  const handled = ({ type, synthetic, interface: name, attributes }: TrotlineEvent): void => {
    types[type] = (types[type] ?? 0) + 1;
    if (!synthetic && name === 'va') delivered += 1;
    told += type === 'netlink.overflow' ? Number(attributes['netlink.overflow.lost']) : 0;
  };
  await using thread = await netnsThread({ hooks: ALL, receiveBuffer, handled });
  addVeth('va', 'vb');
  await settledLedger(thread, 2);
  const inTime = produce('va', PRODUCED) < 1;
  return await eventually(
    async () => {
      const { source, hook, stored } = await settledLedger(thread, PRODUCED + 2);
      const { overflow = 0 } = source.lost;
      const resynced = types['netlink.resynced'] ?? 0;
      assert.deepEqual({ told, resynced: resynced > 0 }, { told: overflow, resynced: overflow > 0 });
      assert.equal(source.unmatched + source.routed + overflow, source.heard);
      const outcomes = [hook.outcomes['delivered'], stored['trotline/all']?.['delivered']];
      assert.deepEqual(outcomes, [hook.routed, hook.routed]);
      // The veth's own first message is of `va` too.
      return { sum: delivered - 1 + overflow, lost: overflow, inTime, resynced };
    },
    { timeoutMs: 20_000 },
  );
}

/** Conditions that look at different things and meet no change, and one that meets twelve. */
const FILTERS = [
  'interface == "eth0"',
  'interface =~ "^(eth|wlan)[0-9]+$"',
  'interface =~ "^cali" OR interface =~ "^tunl"',
  'message_type IN [17, 20, 21, 24, 25]',
  'event_type == 3 AND netlink.route.table == 254',
  'netlink.link.mtu > 9000',
  'namespace =~ "^container-" AND interface !~ "^va"',
  'NOT (interface =~ "^v" AND message_type == 16)',
  'netlink.link.kind == "bridge" AND (netlink.link.flags >= 1 OR sequence < 10)',
  'interface == "va" AND sequence IN [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000, 20000, 30000]',
];

/** Ten thousand changes a second for three seconds past ten conditions: whether the sidecar keeps up, and what it costs. */
async function throughput(): Promise<unknown> {
  const conditions = FILTERS.map((condition, index) => {
    const spec = `condition: ${JSON.stringify(condition)}`;
    return [`${index}.yaml`, hookYaml(`hook-${index}`, { spec })] as const;
  });
  let handled = 0;
  let heard = 0;
  const emitted = (count: number): void => void (heard += count);
  const hooks = Object.fromEntries(conditions);
  await using thread = await netnsThread({ hooks, emitted, handled: () => handled++ });
  addVeth('va', 'vb');
  await eventually(() => assert.equal(heard, 2));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpuBefore = process.cpuUsage();
  delay.enable();
  const seconds = await produceAtPace('va', 30_000, 10_000);
  const behind = 30_002 - heard;
  delay.disable();
  const { user, system } = process.cpuUsage(cpuBefore);
  const { source } = await settledLedger(thread, 30_002);
  return {
    perSecond: Math.round(30_000 / seconds),
    heard: source.heard,
    lost: source.lost,
    handled,
    behind,
    cores: (user + system) / 1e6 / seconds,
    lagP99Ms: delay.percentile(99) / 1e6 - 1,
  };
}

/** Numbers in the order in which a hook without a condition meets them. */
async function gaps(): Promise<unknown> {
  const sequences: number[] = [];
  const told: number[] = [];
  const handled = ({ sequence, attributes, type }: TrotlineEvent): void => {
    sequences.push(sequence);
    if (type === 'netlink.overflow') told.push(Number(attributes['netlink.overflow.lost']));
  };
  const hooks = { 'a.yaml': hookYaml('all', { spec: 'run: sync' }) };
  await using thread = await netnsThread({ hooks, receiveBuffer: TINY_BYTES, handled });
  addVeth('va', 'vb');
  for (let produced = 0; told.length === 0;) {
    produce('va', 2000);
    produced += 2000;
    await settledLedger(thread, produced + 2);
  }
  const missing = sequences.reduce((sum, sequence, index) => sum + sequence - (sequences[index - 1] ?? 0) - 1, 0);
  return { rising: isRising(sequences), first: sequences[0], missing, told: told.reduce((sum, lost) => sum + lost) };
}

/** The same as a script sees it. */
async function numbersOfScripts(): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'trotline-numbers-'));
  try {
    const path = join(folder, 'numbers');
    const config = `command: [/bin/sh, -c, "echo $NLMON_SEQUENCE >> ${path}"]`;
    await using thread = await netnsThread({ hooks: { 'a.yaml': hookYaml('all', { spec: 'run: sync', config }) } });
    addVeth('va', 'vb');
    produce('va', 100);
    await settledLedger(thread, 102);
    const numbers = (await readFile(path, 'utf8')).trim().split('\n').map(Number);
    return { rising: isRising(numbers), first: numbers[0], last: numbers.at(-1), count: numbers.length };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => number > (numbers[index - 1] ?? 0));
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  lifeOfALink,
  bridge,
  burst: () => burst(NORMAL_BYTES),
  overflow: () => burst(TINY_BYTES),
  gaps,
  throughput,
  numbersOfScripts,
};

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await scenario())}\n`);

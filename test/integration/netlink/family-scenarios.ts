/** What `families.test.ts` runs in a network and mount namespace: `family-scenarios.ts NAME`, the result as one JSON line. */
import { execFileSync } from 'node:child_process';

import type { TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { addVeth, ip } from '../../kit/netns.ts';
import { Ear } from './ear.ts';

type Json = Readonly<Record<string, unknown>>;

function json(...args: string[]): Json[] {
  return JSON.parse(ip('-j', ...args) || '[]');
}

/** The attributes of an event below `netlink.FAMILY.`. */
function partsOf(event: TrotlineEvent | undefined, family: string): Json {
  const prefix = `netlink.${family}.`;
  const parts = Object.entries(event?.attributes ?? {}).filter(
    ([name, value]) => name.startsWith(prefix) && value !== undefined,
  );
  return Object.fromEntries(parts.map(([name, value]) => [name.slice(prefix.length), value]));
}

function pair(): void {
  addVeth('va', 'vb');
  for (const name of ['va', 'vb']) ip('link', 'set', name, 'addrgenmode', 'none', 'up');
}

/** What came is told as ip tells it. */
async function addresses(): Promise<unknown> {
  pair();
  const ear = new Ear();
  await using _thread = await ear.listen();
  ip(
    'addr',
    'add',
    '10.1.2.3/24',
    'brd',
    '10.1.2.255',
    'dev',
    'va',
    'label',
    'va:one',
    'valid_lft',
    '600',
    'preferred_lft',
    '300',
  );
  ip('addr', 'add', '10.9.0.1', 'peer', '10.9.0.2/32', 'dev', 'vb');
  ip('addr', 'add', 'fd00::5/64', 'dev', 'va', 'nodad', 'metric', '77');
  const added = await ear.heard('addr-added', 3);
  const known = json('addr', 'show', 'scope', 'global').flatMap((link) => link['addr_info'] ?? []);
  ip('addr', 'change', '10.1.2.3/24', 'dev', 'va', 'valid_lft', 'forever', 'preferred_lft', 'forever');
  const changed = await ear.heard('addr-changed');
  ip('addr', 'del', 'fd00::5/64', 'dev', 'va');
  const [deleted] = await ear.heard('addr-deleted');
  const { type, interface: name, messageType, eventType, subject } = deleted!;
  return {
    added: added.map((event) => partsOf(event, 'addr')),
    names: added.map((event) => [event.interface, event.messageType, event.eventType]),
    known,
    changed: changed.map((event) => event.attributes['netlink.addr.changed']),
    deleted: { type, name, messageType, eventType, subject },
  };
}

async function routes(): Promise<unknown> {
  pair();
  ip('addr', 'add', '10.1.0.1/24', 'dev', 'va');
  ip('addr', 'add', 'fd00::1/64', 'dev', 'va', 'nodad');
  const ear = new Ear();
  await using _thread = await ear.listen();
  const add = (...args: string[]): string => ip('route', 'add', ...args);
  add('default', 'via', '10.1.0.2', 'metric', '50');
  add('10.2.0.0/16', 'via', '10.1.0.2', 'table', '1000', 'mtu', '1400', 'advmss', '1360', 'proto', 'static');
  add('10.3.0.0/16', 'nexthop', 'via', '10.1.0.2', 'weight', '3', 'nexthop', 'via', '10.1.0.3');
  add('unreachable', '10.4.0.0/16');
  add('10.5.0.0/16', 'via', 'inet6', 'fe80::9', 'dev', 'va');
  ip('-6', 'route', 'add', 'fd01::/48', 'via', 'fd00::2', 'metric', '9');
  ip('-6', 'route', 'append', 'fd01::/48', 'via', 'fd00::3', 'metric', '9');
  ip('-6', 'route', 'del', 'fd01::/48', 'via', 'fd00::2', 'metric', '9');
  ip('route', 'replace', 'default', 'via', '10.1.0.9', 'metric', '50');
  ip('route', 'del', '10.3.0.0/16');
  const deleted = await ear.heard('route-deleted', 2);
  const [, replaced] = await ear.heard('route-changed', 2);
  const added = await ear.heard('route-added', 6);
  return {
    added: added.map((event) => partsOf(event, 'route')),
    oif: json('link', 'show', 'va')[0]?.['ifindex'],
    changes: ear.events
      .filter(({ eventType }) => eventType === 3)
      .map(
        (event) =>
          `${event.type.replace('netlink.route-', '')} ${event.subject} [${event.attributes['netlink.route.changed'] ?? ''}]`,
      ),
    replaced: partsOf(replaced, 'route')['gateway'],
    deleted: deleted.map(({ messageType }) => messageType),
    known: json('-d', 'route', 'show', 'table', 'all').filter(({ dst }) => /^(default|10\.[245]\.)/.test(String(dst))),
  };
}

/** The kernel removes the IPv4 routes of a nexthop object that goes, and says nothing of them. */
async function nexthops(): Promise<unknown> {
  ip('netns', 'add', 'blue');
  const within = (...args: string[]): string => ip('-n', 'blue', ...args);
  within('link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb');
  for (const name of ['va', 'vb']) within('link', 'set', name, 'up');
  within('addr', 'add', '10.1.0.1/24', 'dev', 'va');
  const ear = new Ear();
  await using _thread = await ear.listen();
  within('nexthop', 'add', 'id', '7', 'via', '10.1.0.2', 'dev', 'va');
  for (const prefix of ['10.2.0.0/16', '10.3.0.0/16']) within('route', 'add', prefix, 'nhid', '7');
  const added = await ear.heard('route-added', 2);
  within('nexthop', 'del', 'id', '7');
  const deleted = await ear.heard('route-deleted', 2);
  return [...added, ...deleted].map(
    ({ namespace, messageType, attributes }) =>
      `${namespace} ${messageType} ${attributes['netlink.route.dst']} ${attributes['netlink.resynced'] ?? false}`,
  );
}

async function neighbours(): Promise<unknown> {
  pair();
  const ear = new Ear();
  await using _thread = await ear.listen();
  ip('neigh', 'add', '10.1.0.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'va', 'nud', 'permanent');
  ip('-6', 'neigh', 'add', 'fd00::7', 'lladdr', '02:00:00:00:00:07', 'dev', 'va', 'nud', 'stale');
  const added = await ear.heard('neigh-added', 2);
  const known = json('neigh', 'show');
  ip('neigh', 'change', '10.1.0.7', 'lladdr', '02:00:00:00:00:08', 'dev', 'va', 'nud', 'permanent');
  const [changed] = await ear.heard('neigh-changed');
  ip('neigh', 'del', '10.1.0.7', 'dev', 'va');
  const deleted = await ear.heard('neigh-deleted');
  return {
    added: added.map((event) => partsOf(event, 'neigh')),
    known,
    changed: partsOf(changed, 'neigh'),
    numbers: [...added, changed!, ...deleted].map(
      (event) => `${event.messageType} ${event.eventType} ${event.interface}`,
    ),
  };
}

async function rules(): Promise<unknown> {
  const ear = new Ear();
  await using _thread = await ear.listen();
  ip(
    'rule',
    'add',
    'from',
    '10.8.0.0/16',
    'to',
    '10.9.0.1',
    'lookup',
    '77',
    'prio',
    '100',
    'fwmark',
    '0x5/0xff',
    'iif',
    'lo',
  );
  ip(
    '-6',
    'rule',
    'add',
    'from',
    'fd08::/16',
    'lookup',
    '78',
    'prio',
    '101',
    'ipproto',
    'tcp',
    'dport',
    '80-90',
    'uidrange',
    // The one user that everybody has.
    '0-0',
  );
  ip('rule', 'add', 'goto', '32766', 'prio', '102', 'suppress_prefixlength', '0');
  const added = await ear.heard('rule-added', 3);
  ip('rule', 'del', 'prio', '100');
  const deleted = await ear.heard('rule-deleted');
  return {
    added: added.map((event) => partsOf(event, 'rule')),
    numbers: [...added, ...deleted].map((event) => `${event.messageType} ${event.eventType} ${event.subject}`),
  };
}

/** Each line of `ip -o monitor` is a message of the kernel, and each message an event. */
async function asManyAsMonitored(): Promise<unknown> {
  const ear = new Ear();
  await using _thread = await ear.listen({ namespaces: 'own' });
  const script = `
    ip -o monitor link address route neigh rule > /run/monitor & monitor=$!
    until grep -q 65001 /run/monitor; do ip link set lo mtu 65001; ip link set lo mtu 65536; done
    for turn in 1 2 3; do
      ip link add va type veth peer name vb; ip addr add 10.1.0.1/24 dev va; ip -6 addr add fd00::1/64 dev va nodad
      ip link set va up; ip link set vb up; ip route add 10.2.0.0/16 via 10.1.0.2; ip rule add from 10.3.0.0/16 lookup 9
      ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev va; ip link del va; ip rule del from 10.3.0.0/16 lookup 9
    done
    ip rule add from 10.99.0.0/16 lookup 9
    until grep -q 10.99.0.0 /run/monitor; do :; done
    kill $monitor; cat /run/monitor`;
  const monitored = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
  await eventually(() => ear.events.some(({ subject }) => subject.includes('10.99.0.0')));
  // The monitor says nothing of the loopback's first changes, which came before it listened.
  const lines = monitored.split('\n').filter((line) => line !== '' && !/^\d+: lo/.test(line));
  const messages = ear.events.filter(
    (event) => !event.synthetic && !(event.interface === 'lo' && event.eventType === 1),
  );
  return { lines: lines.length, messages: messages.length, text: lines };
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  addresses,
  routes,
  nexthops,
  neighbours,
  rules,
  asManyAsMonitored,
};

execFileSync('mount', ['-t', 'tmpfs', 'none', '/run']);
const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await scenario())}\n`);

/** What `scripts.test.ts` runs in a network namespace: `script-scenarios.ts NAME`, the result as one JSON line. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import type { EventDetail } from '../../../control-plane/store/types.ts';
import { eventually } from '../../kit/eventually.ts';
import { addVeth, ip } from '../../kit/netns.ts';
import { hookYaml } from '../../kit/thread.ts';
import { netnsThread, outputs, produce, settledLedger, TINY_BYTES } from './kit.ts';

/** Each field compared with what a real veth add must give, and with something else. */
async function fields(): Promise<unknown> {
  execFileSync('mount', ['-t', 'tmpfs', 'none', '/run']);
  ip('netns', 'add', 'blue');
  const now = Date.now();
  const conditions: Record<string, string> = {
    'interface-true': "interface == 'n6a'",
    'interface-false': "interface == 'n6c'",
    'message-type-true': 'message_type == 16',
    'message-type-false': 'message_type == 17',
    'event-type-true': 'event_type == 1',
    'event-type-false': 'event_type == 2',
    'namespace-true': "namespace == 'blue'",
    'namespace-false': "namespace == ''",
    'timestamp-true': `timestamp >= ${now} AND timestamp < ${now + 60_000}`,
    'timestamp-false': `timestamp < ${now}`,
    'sequence-true': 'sequence >= 1 AND sequence < 1000',
    'sequence-false': 'sequence == 0',
    all: '',
  };
  const hooks = Object.fromEntries(
    Object.entries(conditions).map(([name, condition]) => [
      `${name}.yaml`,
      hookYaml(name, { spec: `condition: "${condition}"` }),
    ]),
  );
  const seen: string[] = [];
  await using thread = await netnsThread({
    hooks,
    source: { families: ['link'] },
    handled: (event, hook) => void (event.interface === 'n6a' && seen.push(hook.replace('trotline/', ''))),
  });
  ip('-n', 'blue', 'link', 'add', 'n6a', 'type', 'veth', 'peer', 'name', 'n6b');
  await eventually(() => assert.ok(seen.length >= 7));
  // Whoever else met the event acts before the end of the drain.
  await thread.stopSidecar();
  return seen.sort();
}

async function everyEvent(): Promise<unknown> {
  await using thread = await netnsThread({ hooks: { 'a.yaml': hookYaml('all') } });
  addVeth('v0', 'v1');
  produce('v0', 40);
  const { source, hook, stored } = await settledLedger(thread, 42);
  const runs = (await outputs(thread, 42)).length;
  return { heard: source.heard, unmatched: source.unmatched, routed: hook.routed, stored, runs };
}

async function environment(): Promise<unknown> {
  const hook = hookYaml('env', { spec: 'condition: "interface == \'n13\'"', config: 'command: [/usr/bin/env]' });
  await using thread = await netnsThread({ hooks: { 'a.yaml': hook } });
  const addedAt = Date.now();
  addVeth('n13', 'peer');
  const [output = ''] = await outputs(thread, 1);
  const [summary] = await thread.events();
  const { event } = await thread.api<EventDetail>(`/v1/events/${summary?.id}`);
  return { env: variables(output), event, addedAt };
}

async function withoutInterface(): Promise<unknown> {
  const spec = 'eventTypes: [netlink.overflow]';
  const hook = hookYaml('env', { spec, config: 'command: [/usr/bin/env]' });
  await using thread = await netnsThread({ hooks: { 'a.yaml': hook }, receiveBuffer: TINY_BYTES });
  addVeth('v0', 'v1');
  produce('v0', 20_000);
  const [output = ''] = await outputs(thread, 1);
  return variables(output);
}

/** nlmon's form, whose hooks may be shell text. */
const SHELL_HOOK = `nlmon:
  integration:
    hooks:
      - { name: shell, script: "echo $NLMON_INTERFACE", condition: "message_type == 16", enabled: true }
`;

/** The name reaches a program's environment and a shell's word list; neither may run it. */
async function hostileNames(): Promise<unknown> {
  const exec = hookYaml('exec', { config: 'command: [/usr/bin/printenv, NLMON_INTERFACE]' });
  await using thread = await netnsThread({ hooks: { 'exec.yaml': exec, 'shell.yaml': SHELL_HOOK } });
  const names = ['$(id)', 'a;reboot', '`id`|tee', '\'"&&id'];
  names.forEach((name, index) => addVeth(name, `p${index}`));
  const printed = await outputs(thread, 4 * names.length);
  const subjects = (await thread.events()).map(({ subject }) => subject);
  return { names, printed: tally(printed.map((output) => output.trim())), subjects: tally(subjects) };
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

function variables(output: string): Record<string, string> {
  const lines = output.split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  fields,
  everyEvent,
  environment,
  withoutInterface,
  hostileNames,
};

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (!scenario) throw new Error(`no such scenario: ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await scenario())}\n`);

/** What `links.test.ts` runs in a network namespace: `link-scenarios.ts NAME`, the result as one JSON line. */
import { spawn } from 'node:child_process';

import type { TrotlineEvent } from '#core';

import { eventually } from '../../kit/eventually.ts';
import { addVeth, ip } from '../../kit/netns.ts';
import { hookYaml } from '../../kit/thread.ts';
import { netnsThread, NORMAL_BYTES, outputs, produce, settledLedger, TINY_BYTES } from './kit.ts';

const ALL = { 'a.yaml': hookYaml('all') };

/** Every line of `ip monitor link` is one message of the kernel. */
class Monitor implements Disposable {
  readonly #process = spawn('ip', ['-o', 'monitor', 'link'], { stdio: ['ignore', 'pipe', 'inherit'] });
  #text = '';

  constructor() {
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
  }

  get lines(): string[] {
    return this.#text.split('\n').filter((line) => line !== '');
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

/** The life of a veth, step by step: what each step made, in the order of the kernel. */
async function lifeOfALink(): Promise<unknown> {
  const events: TrotlineEvent[] = [];
  await using thread = await netnsThread({ hooks: ALL, handled: (event) => void events.push(event) });
  using monitor = new Monitor();
  addVeth('probe0', 'probe1');
  await eventually(() => monitor.lines.length > 0 && events.length >= 2);
  ip('link', 'del', 'probe0');
  await eventually(() => monitor.lines.length >= 2 && /Deleted/.test(monitor.lines.at(-1) ?? ''));
  await eventually(() => events.filter(({ messageType }) => messageType === 17).length === 2);
  const before = { events: events.length, lines: monitor.lines.length };

  const steps: Record<string, string[]> = {};
  const step = async (name: string, ...commands: string[][]) => {
    const first = events.length;
    for (const command of commands) ip('link', ...command);
    // A last change of its own stands after everything that the step made, deferred messages of the carrier too.
    await eventually(() => events.length > first);
    await eventually(async () => {
      const lines = monitor.lines.length - before.lines;
      return lines === events.length - before.events && (await still(() => events.length));
    });
    steps[name] = events
      .slice(first)
      .sort((a, b) => a.sequence - b.sequence)
      .map(described);
  };
  await step('add', ['add', 'a', 'type', 'veth', 'peer', 'name', 'b']);
  await step('up', ['set', 'a', 'up']);
  await step('peer up', ['set', 'b', 'up']);
  await step('mtu', ['set', 'a', 'mtu', '1400']);
  await step('peer down', ['set', 'b', 'down']);
  await step('down', ['set', 'a', 'down']);
  await step('rename', ['set', 'a', 'name', 'c']);
  await step('delete', ['del', 'c']);
  const messages = { heard: events.length - before.events, kernel: monitor.lines.length - before.lines };
  const deleted = monitor.lines.slice(before.lines).filter((line) => line.startsWith('Deleted')).length;
  const { source } = await settledLedger(thread, events.length);
  return { steps, messages, deleted, heard: source.heard, events: events.length };
}

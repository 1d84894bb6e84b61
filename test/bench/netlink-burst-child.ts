/** What the bench `netlink-burst` runs in a network namespace: `netlink-burst-child.ts alone|peer|overflow`, the result as one JSON line. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { type EventDraft, parseConfig, type SourceDefinition } from '#core';
import { netlink } from '../../plugins/sources/netlink/index.ts';
import { eventually } from '../kit/eventually.ts';
import { addVeth, ip } from '../kit/netns.ts';
import { testAction } from '../kit/numbered.ts';
import { hookYaml, startThread } from '../kit/thread.ts';

const PRODUCER = fileURLToPath(new URL('../../native/build/Release/link-producer', import.meta.url));
const CHANGES = 200_000;
const OVERFLOWING_CHANGES = 20_000;
const TINY_BYTES = 2048;
const NORMAL_BYTES = 33_554_432;

/** What the pipeline took, and when. */
class Counter {
  heard = 0;
  lost = 0;
  resynced = 0;
  startedAt = 0;
  endedAt = 0;

  /** The real source, listened to on its way to the real pipeline. */
  source(receiveBuffer: number): SourceDefinition {
    return {
      ...netlink,
      create: (config, context) =>
        netlink.create(
          { ...parseConfig(netlink.config, config, 'source "netlink"'), receiveBuffer },
          {
            ...context,
            emit: async (events) => {
              if (this.startedAt === 0) this.startedAt = performance.now();
              await context.emit(events);
              this.#count(events);
            },
            lost: (reason, count) => {
              this.lost += count;
              context.lost(reason, count);
            },
          },
        ),
    };
  }

  reset(): void {
    this.heard = this.lost = this.startedAt = 0;
  }

  #count(events: readonly EventDraft[]): void {
    this.endedAt = performance.now();
    for (const { type, synthetic } of events) {
      if (!synthetic) this.heard += 1;
      if (type === 'netlink.resynced') this.resynced += 1;
    }
  }
}

async function burst(changes: number, receiveBuffer: number) {
  ip('link', 'set', 'lo', 'up');
  const counter = new Counter();
  const hooks = { 'never.yaml': hookYaml('never', { spec: `condition: "interface == 'eth77'"` }) };
  const actions = [testAction(() => Promise.resolve({ status: 'delivered' }))];
  await using _thread = await startThread({ hooks, sources: [counter.source(receiveBuffer)], actions });
  addVeth('v0', 'v1');
  await eventually(() => counter.heard >= 2);
  counter.reset();
  const { stdout } = await promisify(execFile)(PRODUCER, ['v0', String(changes)]);
  const produced: { sent: number; seconds: number } = JSON.parse(stdout);
  await eventually(() => counter.heard + counter.lost >= changes, { timeoutMs: 30_000 });
  if (counter.lost > 0) await eventually(() => counter.resynced > 0);
  const seconds = (counter.endedAt - counter.startedAt) / 1000;
  return {
    lost: changes - counter.heard,
    reported: counter.lost,
    resynced: counter.resynced,
    perSecond: changes / seconds,
    producedPerSecond: produced.sent / produced.seconds,
  };
}

/** The same beside `ip monitor link`, whose lines tell what it heard. */
async function besidePeer(folder: string) {
  const path = join(folder, 'monitor');
  const output = openSync(path, 'w');
  const peer = spawn('ip', ['-o', 'monitor', 'link'], { stdio: ['ignore', output, output] });
  await once(peer, 'spawn');
  const measured = await burst(CHANGES, NORMAL_BYTES);
  const heard = () =>
    readFileSync(path, 'latin1')
      .split('\n')
      .filter((line) => /v0@v1.* mtu 140[01] /.test(line)).length;
  let before = -1;
  await eventually(() => before === (before = heard()), { timeoutMs: 20_000, intervalMs: 300 });
  peer.kill('SIGKILL');
  closeSync(output);
  return { ...measured, peerLost: CHANGES - before };
}

const [part = '', folder = ''] = process.argv.slice(2);
const run = {
  alone: () => burst(CHANGES, NORMAL_BYTES),
  peer: () => besidePeer(folder),
  overflow: () => burst(OVERFLOWING_CHANGES, TINY_BYTES),
}[part];
if (!run) throw new Error(`no such part: ${part}`);
process.stdout.write(`${JSON.stringify(await run())}\n`);

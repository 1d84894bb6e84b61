/** Replays a recording through the source in both roles, and collects the events. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Clock, type EventDraft, type Health, parseConfig, sleepOn } from '#core';

import type { Access } from '../../../plugins/sources/kubernetes/api/access.ts';
import { config } from '../../../plugins/sources/kubernetes/config.ts';
import { KubernetesSource } from '../../../plugins/sources/kubernetes/source.ts';
import { memoryOf, silentLog } from '../action-context.ts';
import type { Recording } from './recording.ts';
import { ReplayServer, type ReplayOptions } from './server.ts';

/** One event as it is printed: flat, time in ISO 8601. */
export interface Replayed {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly subject: string;
  readonly namespace: string;
  readonly node: string;
  /** Which role of the source told it first. */
  readonly role: string;
  readonly [attribute: string]: unknown;
}

export interface ReplayRun extends Pick<ReplayOptions, 'delays' | 'closeAfter' | 'forgetAfter'> {
  readonly recording: Recording;
  /** So many times as fast as it was recorded. */
  readonly speed: number;
  /** Every so often, milliseconds of the recording, all watches are cut. */
  readonly cutEvery?: number;
  readonly onEvent?: (event: Replayed) => void;
}

/** After the last line: what is still on its way, and what only time tells. */
const REST_MS = 90_000;
/** What is there when the recording begins is listed, not watched. */
const FIRST_MS = 50;

export async function replay(run: ReplayRun): Promise<Replayed[]> {
  const { recording } = run;
  const lines = [...recording.pods, ...recording.nodes, ...recording.events];
  if (lines.length === 0) throw new Error('there are no lines of pods, nodes or Events in this folder');
  const first = Math.min(...lines.map(({ at }) => at));
  const clock = fastClock(first + FIRST_MS, run.speed);
  const server = new ReplayServer({ ...run, clock });
  const url = await server.start();
  const nodes = new Set(recording.pods.map(({ object }) => nodeOf(object)).filter((node) => node !== ''));
  const told = new Map<string, Replayed>();
  const collect = (role: string, node: string) => async (drafts: readonly EventDraft[]) => {
    for (const draft of drafts) {
      const event = printed(draft, role, node);
      if (told.has(event.id)) continue;
      told.set(event.id, event);
      run.onEvent?.(event);
    }
  };
  const sources = [
    ...[...nodes].map((node) => sourceOf('node', node, url, clock, collect('node', node))),
    sourceOf('cluster', 'cluster', url, clock, collect('cluster', '')),
  ];
  try {
    await Promise.all(sources.map((source) => source.start(new AbortController().signal)));
    clock.release();
    let cutAt = clock.now() + (run.cutEvery ?? Infinity);
    for (let due = server.pump(); due !== null; due = server.pump()) {
      if (clock.now() >= cutAt) {
        server.cut();
        cutAt += run.cutEvery ?? Infinity;
      }
      await sleep(Math.max(1, Math.min((due - clock.now()) / run.speed, 50)));
    }
    await sleep(Math.max(REST_MS / run.speed, 500));
  } finally {
    await Promise.all(sources.map((source) => source.stop()));
    await server.stop();
  }
  return [...told.values()];
}

function sourceOf(
  role: 'node' | 'cluster',
  node: string,
  server: string,
  clock: Clock,
  emit: (drafts: readonly EventDraft[]) => Promise<void>,
): KubernetesSource {
  const report = (health: Health): void => {
    if (health.status === 'failed') throw health.error;
  };
  const context = { node, clock, log: silentLog, emit, lost: () => undefined, memory: memoryOf(), report };
  const access: Access = {
    server,
    ca: undefined,
    cert: undefined,
    key: undefined,
    servername: undefined,
    insecure: false,
    token: async () => '',
  };
  return new KubernetesSource({ config: parseConfig(config, { role }, 'replay'), context, access });
}

function printed(draft: EventDraft, role: string, node: string): Replayed {
  const { type, time, subject, namespace, attributes, fact, sequence } = draft;
  const id = `kubernetes-${fact ?? `${role}-${sequence}`}`;
  return { id, type, time: new Date(time).toISOString(), subject, namespace, node, role, ...attributes };
}

function nodeOf(object: Readonly<Record<string, unknown>>): string {
  const { spec } = object;
  return typeof spec === 'object' && spec !== null && 'nodeName' in spec && typeof spec.nodeName === 'string'
    ? spec.nodeName
    : '';
}

/** Stands at `from` until it is released, and runs `speed` times as fast as the machine's from there. */
function fastClock(from: number, speed: number): Clock & { release(): void } {
  let started: number | null = null;
  const passed = (): number => (started === null ? 0 : (performance.now() - started) * speed);
  const after = (ms: number, call: () => void) => {
    const timer = setTimeout(call, ms / speed);
    return () => clearTimeout(timer);
  };
  return {
    now: () => from + passed(),
    monotonic: passed,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    release: () => {
      started = performance.now();
    },
  };
}

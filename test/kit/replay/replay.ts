/** Replays a recording through the source in both roles, and collects the events. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

import { type Clock, type EventDraft, type Health, parseConfig } from '#core';

import type { Access } from '../../../plugins/sources/kubernetes/api/access.ts';
import { config } from '../../../plugins/sources/kubernetes/config.ts';
import { KubernetesSource } from '../../../plugins/sources/kubernetes/source.ts';
import { memoryOf, silentLog, unasked } from '../action-context.ts';
import type { Recording } from './recording.ts';
import { type ReplayOptions, ReplayServer } from './server.ts';
import { virtualClock, type VirtualClock } from './virtual-clock.ts';

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
  /** At most so many times as fast as it was recorded; Infinity: as fast as it goes. */
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
  const clock = virtualClock(first + FIRST_MS);
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
    await settled(server);
    await play(run, clock, server);
  } finally {
    await Promise.all(sources.map((source) => source.stop()));
    await server.stop();
  }
  return [...told.values()];
}

/** From line to line and timer to timer; each is taken in before the next, so that the machine's load changes nothing. */
async function play(
  { speed, cutEvery = Infinity }: ReplayRun,
  clock: VirtualClock,
  server: ReplayServer,
): Promise<void> {
  const begun = performance.now();
  const from = clock.now();
  let cutAt = from + cutEvery;
  let end = Infinity;
  for (;;) {
    const line = server.pump();
    if (line === null && end === Infinity) end = clock.now() + REST_MS;
    const next = Math.min(line ?? Infinity, clock.due, cutAt, end);
    const early = (next - from) / speed - (performance.now() - begun);
    if (early > 1) await sleep(early);
    clock.moveTo(next);
    if (next >= end) return;
    if (next >= cutAt) {
      server.cut();
      cutAt += cutEvery;
    }
    server.pump();
    await settled(server);
  }
}

/** Turns of the event loop in which nothing is asked: what was sent over loopback has been read, and what it led to is done. */
const QUIET_TURNS = 6;

async function settled(server: ReplayServer): Promise<void> {
  let quiet = 0;
  let asked = server.requests;
  while (quiet < QUIET_TURNS) {
    await nextTurn();
    quiet = server.requests === asked && server.pending === 0 ? quiet + 1 : 0;
    asked = server.requests;
  }
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
  const context = { node, clock, log: silentLog, emit, lost: () => undefined, memory: memoryOf(), ...unasked, report };
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

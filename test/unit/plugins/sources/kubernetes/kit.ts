/** An API server that says what a test wants, and the objects that it says. */
import { afterAll, beforeAll } from 'vitest';

import { type EventDraft, type Health, parseConfig } from '#core';

import type { Access } from '../../../../../plugins/sources/kubernetes/api/access.ts';
import { createKubernetes } from '../../../../../plugins/sources/kubernetes/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';
import { eventually } from '../../../../kit/eventually.ts';
import type { Collection, Line } from '../../../../kit/replay/recording.ts';
import { ReplayServer } from '../../../../kit/replay/server.ts';

type Json = Readonly<Record<string, unknown>>;

export const NODE = 'node-1';
/** What the manual clock says at first. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
export const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

/** One for the whole file. */
export function apiServer() {
  const lines: Record<Collection, Line[]> = { pods: [], nodes: [], events: [], replicasets: [], jobs: [] };
  const clock = { ...manualClock(), now: () => NOW };
  const server = new ReplayServer({ recording: lines, clock });
  let version = 1;
  let url = '';
  beforeAll(async () => {
    url = await server.start();
  });
  afterAll(() => server.stop());
  const access = async (): Promise<Access> => ({
    server: url,
    ca: undefined,
    cert: undefined,
    key: undefined,
    servername: undefined,
    insecure: false,
    token: async () => 'token',
  });
  /** A new state of an object. */
  const say = (collection: Collection, object: Json, type = 'MODIFIED'): void => {
    version++;
    const metadata = { ...(object.metadata as Json), resourceVersion: String(version) };
    lines[collection].push({ at: 0, type, object: { ...object, metadata }, version });
    server.pump();
  };
  return { access, say, server };
}

/** A running source of this role, and what it has told. */
export async function listening(access: () => Promise<Access>, config: Json = {}) {
  const events: EventDraft[] = [];
  const healths: Health[] = [];
  const clock = manualClock();
  const definition = createKubernetes(access);
  const source = definition.create(parseConfig(definition.config, config, 'test'), {
    node: NODE,
    clock,
    log: silentLog,
    emit: async (drafts) => void events.push(...drafts),
    lost: () => undefined,
    memory: memoryOf(),
    ...unasked,
    report: (health) => void healths.push(health),
  });
  await source.start?.(new AbortController().signal);
  /** Types of what was told, once there are so many. */
  const told = async (count: number): Promise<string[]> => {
    await eventually(() => events.length >= count);
    return events.map(({ type }) => type.replace('kubernetes.', ''));
  };
  return { events, healths, clock, told, [Symbol.asyncDispose]: async () => source.stop?.() };
}

export interface PodParts {
  readonly name: string;
  readonly uid?: string;
  readonly phase?: string;
  readonly status?: Json;
  readonly spec?: Json;
  readonly metadata?: Json;
  readonly container?: Json;
}

/** A pod that runs on the node, ready. */
export function podOf({
  name,
  uid = `uid-${name}`,
  phase = 'Running',
  status,
  spec,
  metadata,
  container,
}: PodParts): Json {
  return {
    kind: 'Pod',
    metadata: { name, uid, namespace: 'shop', creationTimestamp: ago(300), labels: { app: name }, ...metadata },
    spec: { nodeName: NODE, containers: [{ name: 'main', image: 'shop/web:1' }], ...spec },
    status: {
      phase,
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: ago(300) },
        { type: 'Ready', status: 'True', lastTransitionTime: ago(290) },
      ],
      containerStatuses: [
        {
          name: 'main',
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: ago(290) } },
          lastState: {},
          ...container,
        },
      ],
      ...status,
    },
  };
}

export function terminated(parts: Json = {}): Json {
  const times = { startedAt: ago(20), finishedAt: ago(2) };
  return { terminated: { exitCode: 1, reason: 'Error', containerID: 'containerd://abc', ...times, ...parts } };
}

/** The pod after its container was started once more. */
export function restarted(pod: Json, count = 1, end: Json = {}): Json {
  const container = { name: 'main', ready: true, restartCount: count, state: { running: { startedAt: ago(1) } } };
  const status = pod.status as Json;
  return {
    ...pod,
    status: {
      ...status,
      containerStatuses: [
        { ...container, lastState: terminated({ containerID: `containerd://end-${count}`, ...end }) },
      ],
    },
  };
}

/** One of several, elected: Events, pods without a node, Nodes. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import { type Handover, Lease, type SourceContext } from '#core';

import type { Heard, Reflector } from './api/reflector.ts';
import { Events } from './events.ts';
import { nodeFacts } from './facts/node-facts.ts';
import { podFacts } from './facts/pod-facts.ts';
import { eventOf, nodeOf, type NodeView, podOf, type PodView } from './objects.ts';
import type { Role, RoleParts } from './role.ts';
import { Teller } from './teller.ts';

/** A former holder's last sign may be older than what it told last: what lies this far before is told again, by the same ids. */
const OVERLAP_MS = 5000;

export function createClusterRole(parts: RoleParts): Role {
  const { client, config, context, signal } = parts;
  const { clock, log } = context;
  const ended = Promise.withResolvers<void>();
  // Each life its own: a former one may still believe that it holds the Lease.
  const holder = `${hostname()}-${randomBytes(4).toString('hex')}`;
  const lease = new Lease({ client, clock, log, lease: config.lease, holder });
  let running: Promise<void> = Promise.resolve();

  async function run(onReady: () => void): Promise<void> {
    const handover = await lease.acquire(signal, (why) => {
      parts.hears(`nothing: ${why}`);
      onReady();
    });
    const { reflectors, heardUntil } = elected(parts, handover);
    const whole = Promise.all(reflectors.map((reflector) => reflector.run()));
    const synced = Promise.all(reflectors.map((reflector) => reflector.synced)).then(() => {
      parts.hears('Events, pods without a node, Nodes');
      return onReady();
    });
    try {
      await Promise.race([lease.keep(signal, heardUntil), Promise.all([whole, synced])]);
    } finally {
      if (signal.aborted) await lease.release(heardUntil());
    }
  }

  return {
    ended: ended.promise,
    async start() {
      const ready = Promise.withResolvers<void>();
      running = run(ready.resolve);
      running.then(ended.resolve, ended.reject);
      await Promise.race([ready.promise, ended.promise]);
    },
    async stop() {
      await running.catch(() => undefined);
    },
  };
}

/** What the elected one hears, from where the former one had stopped. */
function elected(parts: RoleParts, { heardUntil, heardAt }: Handover) {
  const { client, context, config, signal, onError } = parts;
  const { clock } = context;
  const teller = new Teller(parts);
  const tell: Teller['tell'] = (facts) => teller.tell(facts);
  const events = new Events({ client, clock, signal, staleAfterMs: config.staleAfter, tell, onError });
  // The first of all tells nothing of what was so before it.
  const since = heardAt === null ? Infinity : heardAt - OVERLAP_MS;
  const told: Heard = {
    listed: async (objects, gap) => {
      if (gap) await teller.gap('events', 'the watch could not be resumed');
      for (const object of objects) await events.changed(eventOf(object), !gap);
    },
    changed: (type, object) => (type === 'DELETED' ? Promise.resolve() : events.changed(eventOf(object), false)),
  };
  const eventReflector = parts.reflector('/api/v1/events', '', told, heardUntil);
  const reflectors: Reflector[] = [
    eventReflector,
    parts.reflector('/api/v1/pods', 'spec.nodeName=', unboundPods(clock, events, since, tell)),
    parts.reflector('/api/v1/nodes', '', nodes(clock, since, tell)),
  ];
  return { reflectors, heardUntil: () => eventReflector.resourceVersion };
}

/** Pods that no node has been found for; one that was found leaves this collection. `since`: what was so before is old news. */
function unboundPods(clock: SourceContext['clock'], events: Events, since: number, tell: Teller['tell']): Heard {
  const told = new Set<string>();
  const look = async (pod: PodView, oldest: number): Promise<void> => {
    events.podSeen(pod.uid);
    if (pod.nodeName !== '' || told.has(pod.uid)) return;
    const facts = podFacts(pod, clock.now()).filter(({ type }) => type === 'pod-pending');
    if (facts.length === 0) return;
    await tell(facts.filter(({ at }) => at >= oldest));
    told.add(pod.uid);
  };
  return {
    listed: async (objects, gap) => {
      const pods = objects.map(podOf);
      const uids = new Set(pods.map(({ uid }) => uid));
      for (const uid of told) if (!uids.has(uid)) told.delete(uid);
      for (const pod of pods) await look(pod, gap ? 0 : since);
    },
    changed: async (type, object) => {
      const pod = podOf(object);
      if (type === 'DELETED') told.delete(pod.uid);
      else await look(pod, 0);
    },
  };
}

function nodes(clock: SourceContext['clock'], since: number, tell: Teller['tell']): Heard {
  const known = new Map<string, NodeView>();
  const look = async (node: NodeView, oldest: number): Promise<void> => {
    const before = known.get(node.uid) ?? null;
    // A node that joins is not ready for a while.
    const old = before ?? (node.createdAt !== null && node.createdAt < oldest ? node : null);
    if (old) await tell(nodeFacts(node, before, clock.now()).filter(({ at }) => at >= oldest));
    known.set(node.uid, node);
  };
  return {
    listed: async (objects, gap) => {
      for (const object of objects) await look(nodeOf(object), gap ? 0 : since);
    },
    changed: async (type, object) => {
      if (type === 'DELETED') known.delete(nodeOf(object).uid);
      else await look(nodeOf(object), 0);
    },
  };
}

/** One life of the source in either role: reflectors to facts to events. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import { AppError, type Component, type Infer, type SourceContext } from '#core';

import type { Access } from './api/access.ts';
import { type ApiClient, createApiClient, type Json } from './api/client.ts';
import { type Heard, Reflector } from './api/reflector.ts';
import type { config } from './config.ts';
import { Events } from './events.ts';
import { nodeFacts } from './facts/node-facts.ts';
import { podFacts } from './facts/pod-facts.ts';
import { Lease } from './lease.ts';
import { eventOf, nodeOf, type NodeView, podOf, type PodView } from './objects.ts';
import { Owners } from './owners.ts';
import { Pods } from './pods.ts';
import { Teller } from './teller.ts';

/** So long for the first list, before the start counts as failed. */
const START_MS = 30_000;

export interface KubernetesOptions {
  readonly config: Infer<typeof config>;
  readonly context: SourceContext;
  /** Null: this process is in no cluster. */
  readonly access: () => Promise<Access | null>;
}

export class KubernetesSource implements Component {
  readonly #options: KubernetesOptions;
  readonly #halt = new AbortController();
  /** By collection: why it is not heard. */
  readonly #deaf = new Map<string, string>();
  /** Each life its own: a former one may still believe that it holds the Lease. */
  readonly #holder = `${hostname()}-${randomBytes(4).toString('hex')}`;
  #client: ApiClient | null = null;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: KubernetesOptions) {
    this.#options = options;
  }

  /** Ready once the first lists are taken; as one of several that is not elected, at once. */
  async start(signal: AbortSignal): Promise<void> {
    const { context, config } = this.#options;
    const access = await this.#options.access();
    if (!access) {
      context.report({ status: 'ok', hears: 'nothing: this machine is in no cluster' });
      return;
    }
    this.#client = createApiClient(access);
    const role = config.role === 'node' ? this.#node(this.#client) : this.#cluster(this.#client);
    this.#running = role.run.catch((error: unknown) => this.#fail(error));
    await this.#within(START_MS, role.ready, signal);
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#running;
    this.#client?.close();
  }

  #fail(error: unknown): void {
    if (this.#halt.signal.aborted) return;
    this.#options.context.report({ status: 'failed', error });
  }

  async #within(ms: number, ready: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.context;
    const late = new AbortController();
    const limit = clock.sleep(ms, AbortSignal.any([signal, late.signal])).then(() => {
      const why = [...this.#deaf.values()].join('; ') || 'no answer';
      throw new AppError('PEER_UNAVAILABLE', `the API server told nothing within ${ms / 1000} s: ${why}`);
    });
    try {
      await Promise.race([ready, limit, this.#running.then(() => undefined)]);
    } finally {
      late.abort();
      limit.catch(() => undefined);
    }
  }

  #node(client: ApiClient): Role {
    const { config, context } = this.#options;
    const { signal } = this.#halt;
    const teller = new Teller(context, new Owners(client, signal));
    const pods = new Pods({
      clock: context.clock,
      signal,
      pendingAfterMs: config.pendingAfter,
      staleAfterMs: config.staleAfter,
      tell: (facts) => teller.tell(facts),
      onError: (error) => this.#fail(error),
    });
    const reflector = this.#reflector(client, '/api/v1/pods', `spec.nodeName=${context.node}`, {
      listed: async (objects, _version, gap) => {
        if (gap) await teller.gap('pods', 'the watch could not be resumed');
        await pods.listed(objects.map(podOf), !gap);
      },
      changed: (type, object) => (type === 'DELETED' ? pods.deleted(podOf(object)) : pods.changed(podOf(object))),
    });
    return { run: reflector.run(), ready: reflector.synced };
  }

  #cluster(client: ApiClient): Role {
    const { context, config } = this.#options;
    const waiting = Promise.withResolvers<void>();
    const lease = new Lease({
      client,
      clock: context.clock,
      log: context.log,
      lease: config.lease,
      holder: this.#holder,
    });
    const run = async (): Promise<void> => {
      const { signal } = this.#halt;
      const heard = await lease.acquire(signal, (why) => {
        this.#say(`nothing: ${why}`);
        waiting.resolve();
      });
      const { reflectors, ready, heardUntil } = this.#elected(client, heard);
      const whole = Promise.all(reflectors.map((reflector) => reflector.run()));
      ready.then(waiting.resolve, () => undefined);
      try {
        await Promise.race([lease.keep(signal, heardUntil), whole]);
      } finally {
        if (signal.aborted) await lease.release(heardUntil());
      }
    };
    const running = run().catch((error: unknown) => {
      if (!this.#halt.signal.aborted) throw error;
    });
    return { run: running, ready: waiting.promise };
  }

  #elected(client: ApiClient, heard: string) {
    const { context, config } = this.#options;
    const { signal } = this.#halt;
    const teller = new Teller(context, new Owners(client, signal));
    const tell: Teller['tell'] = (facts) => teller.tell(facts);
    const events = new Events({
      client,
      clock: context.clock,
      signal,
      staleAfterMs: config.staleAfter,
      tell,
      onError: (error) => this.#fail(error),
    });
    const eventReflector = this.#reflector(
      client,
      '/api/v1/events',
      '',
      {
        listed: async (objects, _version, gap) => {
          if (gap) await teller.gap('events', 'the watch could not be resumed');
          for (const object of objects) await events.changed(eventOf(object), !gap);
        },
        changed: (type, object) => (type === 'DELETED' ? Promise.resolve() : events.changed(eventOf(object), false)),
      },
      heard,
    );
    const reflectors = [
      eventReflector,
      this.#reflector(client, '/api/v1/pods', 'spec.nodeName=', unboundPods(context.clock, events, tell)),
      this.#reflector(client, '/api/v1/nodes', '', nodes(context.clock, tell)),
    ];
    const ready = Promise.all(reflectors.map(({ synced }) => synced)).then(() => undefined);
    return { reflectors, ready, heardUntil: () => eventReflector.resourceVersion };
  }

  #reflector(client: ApiClient, path: string, fieldSelector: string, heard: Heard, from?: string): Reflector {
    const { clock, log } = this.#options.context;
    return new Reflector({
      client,
      path,
      fieldSelector,
      from,
      heard,
      clock,
      log,
      signal: this.#halt.signal,
      onDeaf: (why) => {
        if (why === null) this.#deaf.delete(path);
        else this.#deaf.set(path, why);
        this.#say(
          this.#options.config.role === 'node' ? 'the pods of this node' : 'Events, pods without a node, Nodes',
        );
      },
    });
  }

  #say(hears: string): void {
    const { report } = this.#options.context;
    const [why] = this.#deaf.values();
    report(why === undefined ? { status: 'ok', hears } : { status: 'degraded', reason: why, hears });
  }
}

interface Role {
  readonly run: Promise<unknown>;
  readonly ready: Promise<void>;
}

/** Pods that no node has been found for; one that was found leaves this collection. */
function unboundPods(clock: SourceContext['clock'], events: Events, tell: Teller['tell']): Heard {
  const told = new Set<string>();
  const look = async (pod: PodView, old: boolean): Promise<void> => {
    events.podSeen(pod.uid);
    if (pod.nodeName !== '' || told.has(pod.uid)) return;
    const facts = podFacts(pod, clock.now()).filter(({ type }) => type === 'pod-pending');
    if (facts.length === 0) return;
    if (!old) await tell(facts);
    told.add(pod.uid);
  };
  return {
    listed: async (objects, _version, gap) => {
      const pods = objects.map(podOf);
      const uids = new Set(pods.map(({ uid }) => uid));
      for (const uid of told) if (!uids.has(uid)) told.delete(uid);
      for (const pod of pods) await look(pod, !gap);
    },
    changed: async (type, object) => {
      const pod = podOf(object);
      if (type === 'DELETED') told.delete(pod.uid);
      else await look(pod, false);
    },
  };
}

function nodes(clock: SourceContext['clock'], tell: Teller['tell']): Heard {
  const known = new Map<string, NodeView>();
  const look = async (object: Json, old: boolean): Promise<void> => {
    const node = nodeOf(object);
    const before = known.get(node.uid) ?? null;
    // A node that joins is not ready for a while.
    if (!old && before) await tell(nodeFacts(node, before, clock.now()));
    known.set(node.uid, node);
  };
  return {
    listed: async (objects, _version, gap) => {
      for (const object of objects) await look(object, !gap);
    },
    changed: async (type, object) => {
      if (type === 'DELETED') known.delete(nodeOf(object).uid);
      else await look(object, false);
    },
  };
}

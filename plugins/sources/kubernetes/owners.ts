/** Who made an object, up to the one that nobody made: ReplicaSet → Deployment, Job → CronJob. */
import { type Clock, objectOf } from '#core';

import type { ApiClient } from './api/client.ts';
import { type Marks, marksOf } from './marks.ts';
import { ownerOf, type OwnerReference } from './objects.ts';

const PATHS: Readonly<Record<string, string>> = {
  ReplicaSet: 'apis/apps/v1/namespaces/NAMESPACE/replicasets',
  Deployment: 'apis/apps/v1/namespaces/NAMESPACE/deployments',
  StatefulSet: 'apis/apps/v1/namespaces/NAMESPACE/statefulsets',
  DaemonSet: 'apis/apps/v1/namespaces/NAMESPACE/daemonsets',
  Job: 'apis/batch/v1/namespaces/NAMESPACE/jobs',
  CronJob: 'apis/batch/v1/namespaces/NAMESPACE/cronjobs',
};
/** Those that may have owners: only these are asked for them. */
const MADE: ReadonlySet<string> = new Set(['ReplicaSet', 'Job']);
/** An owner's owner never changes while it lives. */
const KEPT = 2000;
const WAIT_MS = 2000;
/** Who changed an owner may be asked again after. */
const MARKS_KEPT_MS = 10_000;

export class Owners {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** By uid. */
  readonly #known = new Map<string, Promise<OwnerReference | null>>();
  /** By uid; `at`: monotonic. */
  readonly #marks = new Map<string, { readonly at: number; readonly marks: Promise<Marks | null> }>();

  constructor(client: ApiClient, clock: Clock, signal: AbortSignal) {
    this.#client = client;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** ReplicaSet, then its Deployment: nearest first. What cannot be read ends the chain: an event waits for nobody. */
  async chain(namespace: string, first: OwnerReference | null): Promise<OwnerReference[]> {
    const chain: OwnerReference[] = [];
    for (let owner = first; owner !== null && chain.length < 4; owner = await this.#ownerOf(namespace, owner)) {
      chain.push(owner);
    }
    return chain;
  }

  /** Who changed this owner, as of a few seconds ago at most; null: it cannot be read. */
  marks(namespace: string, owner: OwnerReference): Promise<Marks | null> {
    const now = this.#clock.monotonic();
    const known = this.#marks.get(owner.uid);
    if (known && now - known.at < MARKS_KEPT_MS) return known.marks;
    const marks = this.#read(namespace, owner).then((object) => object && marksOf(objectOf(object.metadata)));
    keep(this.#marks, owner.uid, { at: now, marks });
    return marks;
  }

  #ownerOf(namespace: string, owner: OwnerReference): Promise<OwnerReference | null> {
    if (!MADE.has(owner.kind)) return Promise.resolve(null);
    const known = this.#known.get(owner.uid);
    if (known) return known;
    const asked = this.#read(namespace, owner).then((object) => {
      if (object) return ownerOf(object);
      // It may be gone, or not ours to read; later it may be.
      this.#known.delete(owner.uid);
      return null;
    });
    keep(this.#known, owner.uid, asked);
    return asked;
  }

  async #read(namespace: string, { kind, name }: OwnerReference): Promise<Readonly<Record<string, unknown>> | null> {
    const path = PATHS[kind];
    if (path === undefined) return null;
    const url = `/${path.replace('NAMESPACE', encodeURIComponent(namespace))}/${encodeURIComponent(name)}`;
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(WAIT_MS)]);
    return this.#client.get(url, signal).then(objectOf, () => null);
  }
}

function keep<T>(map: Map<string, T>, uid: string, value: T): void {
  map.delete(uid);
  map.set(uid, value);
  const oldest = map.size > KEPT ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}

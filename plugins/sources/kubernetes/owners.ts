/** Who made an object, up to the one that nobody made: ReplicaSet → Deployment, Job → CronJob. */
import type { ApiClient } from './api/client.ts';
import { objectOf, ownerOf, type OwnerReference } from './objects.ts';

/** Owners that may have owners: only these are asked for. */
const MADE: Readonly<Record<string, string>> = {
  ReplicaSet: 'apis/apps/v1/namespaces/NAMESPACE/replicasets',
  Job: 'apis/batch/v1/namespaces/NAMESPACE/jobs',
};
/** An owner's owner never changes while it lives. */
const KEPT = 2000;
const WAIT_MS = 2000;

export class Owners {
  readonly #client: ApiClient;
  readonly #signal: AbortSignal;
  /** By uid. */
  readonly #known = new Map<string, Promise<OwnerReference | null>>();

  constructor(client: ApiClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** `['ReplicaSet/web-5d9', 'Deployment/web']`, nearest first. What cannot be read ends the chain: an event waits for nobody. */
  async chain(namespace: string, first: OwnerReference | null): Promise<string[]> {
    const chain: string[] = [];
    for (let owner = first; owner !== null && chain.length < 4; owner = await this.#ownerOf(namespace, owner)) {
      chain.push(`${owner.kind}/${owner.name}`);
    }
    return chain;
  }

  #ownerOf(namespace: string, { kind, name, uid }: OwnerReference): Promise<OwnerReference | null> {
    const path = MADE[kind];
    if (path === undefined) return Promise.resolve(null);
    const known = this.#known.get(uid);
    if (known) return known;
    const asked = this.#ask(
      `/${path.replace('NAMESPACE', encodeURIComponent(namespace))}/${encodeURIComponent(name)}`,
      uid,
    );
    this.#known.set(uid, asked);
    const oldest = this.#known.size > KEPT ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
    return asked;
  }

  async #ask(path: string, uid: string): Promise<OwnerReference | null> {
    try {
      return ownerOf(
        objectOf(await this.#client.get(path, AbortSignal.any([this.#signal, AbortSignal.timeout(WAIT_MS)]))),
      );
    } catch {
      // It may be gone, or not ours to read; later it may be.
      this.#known.delete(uid);
      return null;
    }
  }
}

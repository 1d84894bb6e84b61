/** Secrets that hooks name, by single reads: the control plane may get them, and neither lists nor watches any. */
import { AppError, type Clock, type Component, errorText, isObject, type Log } from '#core';

import type { ClusterSecrets } from '../config/secrets.ts';
import type { OpenKubernetesApi } from './api.ts';

/** So often is looked whether one has changed, or is there at last. */
const LOOK_MS = 10_000;
/** One that no hook named for so long is forgotten. */
const FORGET_MS = 600_000;

interface Known {
  /** Base64 by key; null: it is not known. */
  data: Readonly<Record<string, unknown>> | null;
  problem: string;
  /** Monotonic. */
  askedAt: number;
}

export class KubernetesSecrets implements ClusterSecrets, Component {
  readonly #api: OpenKubernetesApi;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<() => void>();
  readonly #halt = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(api: OpenKubernetesApi, clock: Clock, log: Log) {
    this.#api = api;
    this.#clock = clock;
    this.#log = log;
  }

  start(): Promise<void> {
    this.#running = this.#run();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    this.#wake();
    await this.#running;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  read(namespace: string, name: string, key: string): string {
    const id = `${namespace}/${name}`;
    const known = this.#known.get(id);
    if (!known) {
      this.#known.set(id, { data: null, problem: 'is not read yet', askedAt: this.#clock.monotonic() });
      this.#wake();
      throw new AppError('NOT_FOUND', `Secret ${id} is not read yet`);
    }
    known.askedAt = this.#clock.monotonic();
    if (known.data === null) throw new AppError('NOT_FOUND', `Secret ${id} ${known.problem}`);
    const value = Object.hasOwn(known.data, key) ? known.data[key] : undefined;
    if (typeof value !== 'string') throw new AppError('NOT_FOUND', `Secret ${id} has no key ${key}`);
    return Buffer.from(value, 'base64').toString('utf8');
  }

  async #run(): Promise<void> {
    const { signal } = this.#halt;
    while (!signal.aborted) {
      // Made before the looks: what is named meanwhile is looked at next.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const changed = await Promise.all([...this.#known].map(([id, known]) => this.#look(id, known)));
      if (changed.includes(true)) for (const listener of this.#listeners) listener();
      const over = new AbortController();
      const slept = this.#clock.sleep(LOOK_MS, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([woken, slept]);
      over.abort();
    }
  }

  /** True: what is known of it is not what it was. */
  async #look(id: string, known: Known): Promise<boolean> {
    if (this.#clock.monotonic() - known.askedAt > FORGET_MS) {
      this.#known.delete(id);
      return false;
    }
    const before = JSON.stringify([known.data, known.problem]);
    const [namespace = '', name = ''] = id.split('/').map(encodeURIComponent);
    try {
      const { data } = await (await this.#api()).request('GET', `/api/v1/namespaces/${namespace}/secrets/${name}`);
      known.data = isObject(data) ? data : {};
      known.problem = '';
    } catch (error) {
      // One that was read once stays good while the API server is away.
      const gone = error instanceof AppError && error.code === 'NOT_FOUND';
      if (known.data === null || gone) {
        known.data = null;
        known.problem = gone ? 'does not exist' : `cannot be read: ${errorText(error)}`;
      }
    }
    const changed = JSON.stringify([known.data, known.problem]) !== before;
    if (changed && known.problem !== '') this.#log.warn({ secret: id, problem: known.problem }, 'Secret of a hook');
    return changed;
  }
}

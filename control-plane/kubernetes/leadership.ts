/** One control plane of several works: the holder of a Lease. The others stand by and open nothing until they hold it. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import { type Clock, type Component, errorText, Lease, type Log } from '#core';

import type { OpenKubernetesApi } from './api.ts';

/** Ten seconds after the last sign of the holder, looked at every two: failover within 15 s, with the start of the store. */
const LEASE_SECONDS = 10;

export interface LeadershipOptions {
  readonly api: OpenKubernetesApi;
  /** `namespace/name`. */
  readonly lease: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Somebody else holds the Lease: what was started under it must end at once. */
  readonly onLost: (reason: string) => void;
}

export class Leadership implements Component {
  readonly #options: LeadershipOptions;
  readonly #halt = new AbortController();
  #lease: Lease | null = null;
  #waiting: string | null = 'has not asked for its Lease';
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** Why it stands by; null: it leads. */
  get waiting(): string | null {
    return this.#waiting;
  }

  /** Resolves once it leads. */
  async start(signal: AbortSignal): Promise<void> {
    const { api, lease: name, clock, log, onLost } = this.#options;
    // Each life its own: a former one may still believe that it holds the Lease.
    const holder = `${hostname()}-${randomBytes(4).toString('hex')}`;
    const client = {
      get: async (path: string, until: AbortSignal) => (await api()).request('GET', path, undefined, undefined, until),
      send: async (method: 'POST' | 'PUT', path: string, body: Readonly<Record<string, unknown>>, until: AbortSignal) =>
        (await api()).request(method, path, body, undefined, until),
    };
    // Patient: the store's lock keeps two from one volume, and an API server that is away elects nobody.
    const lease = new Lease({ client, clock, log, lease: name, holder, seconds: LEASE_SECONDS, patient: true });
    await lease.acquire(signal, (why) => {
      if (why !== this.#waiting) log.info({ lease: name, why }, 'standing by');
      this.#waiting = why;
    });
    this.#lease = lease;
    this.#waiting = null;
    this.#keeping = lease.keep(this.#halt.signal).catch((error: unknown) => {
      if (this.#halt.signal.aborted) return;
      this.#waiting = errorText(error);
      onLost(errorText(error));
    });
  }

  /** After all that was started under it has stopped: the next one need not wait. */
  async stop(): Promise<void> {
    this.#halt.abort(new Error('the control plane stops'));
    await this.#keeping;
    if (this.#waiting === null) await this.#lease?.release();
  }
}

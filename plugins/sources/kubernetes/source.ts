/** One life of the source in either role, and whether it hears. */
import { AppError, type Component, type Infer, type SourceContext, whenAborted } from '#core';

import type { Access } from './api/access.ts';
import { type ApiClient, createApiClient } from './api/client.ts';
import { type Heard, Reflector } from './api/reflector.ts';
import { createClusterRole } from './cluster-role.ts';
import type { config } from './config.ts';
import { createNodeRole } from './node-role.ts';
import type { Role } from './role.ts';

/** So long for the first list, before the start counts as failed. */
const START_MS = 30_000;

export interface KubernetesOptions {
  readonly config: Infer<typeof config>;
  readonly context: SourceContext;
  readonly access: Access;
}

export class KubernetesSource implements Component {
  readonly #options: KubernetesOptions;
  readonly #halt = new AbortController();
  /** By collection: why it is not heard. */
  readonly #deaf = new Map<string, string>();
  #client: ApiClient | null = null;
  #role: Role | null = null;
  #hears = '';

  constructor(options: KubernetesOptions) {
    this.#options = options;
  }

  /** Ready once the first lists are taken; one of several that is not elected, at once. */
  async start(signal: AbortSignal): Promise<void> {
    const role = this.#enrol(createApiClient(this.#options.access));
    role.ended.catch((error: unknown) => this.#fail(error));
    await this.#within(START_MS, role.start(), signal);
  }

  async stop(): Promise<void> {
    this.#halt.abort();
    await this.#role?.stop();
    this.#client?.close();
  }

  #enrol(client: ApiClient): Role {
    const { config, context } = this.#options;
    const parts = {
      client,
      config,
      context,
      signal: this.#halt.signal,
      reflector: (path: string, fieldSelector: string, heard: Heard, from?: string) =>
        this.#reflector(client, path, fieldSelector, heard, from),
      onError: (error: unknown) => this.#fail(error),
      hears: (text: string) => {
        this.#hears = text;
        this.#say();
      },
    };
    this.#client = client;
    this.#role = config.role === 'node' ? createNodeRole(parts) : createClusterRole(parts);
    return this.#role;
  }

  #fail(error: unknown): void {
    if (!this.#halt.signal.aborted) this.#options.context.report({ status: 'failed', error });
  }

  async #within(ms: number, ready: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.context;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(ms, () => {
      const why = [...this.#deaf.values()].join('; ') || 'no answer';
      late.reject(new AppError('PEER_UNAVAILABLE', `the API server told nothing within ${ms / 1000} s: ${why}`));
    });
    const unfollow = whenAborted(signal, () => late.reject(signal.reason));
    try {
      await Promise.race([ready, late.promise]);
    } finally {
      cancel();
      unfollow();
    }
  }

  #reflector(client: ApiClient, path: string, fieldSelector: string, heard: Heard, from?: string): Reflector {
    const { clock, log } = this.#options.context;
    const onDeaf = (why: string | null): void => {
      if (why === null) this.#deaf.delete(path);
      else this.#deaf.set(path, why);
      this.#say();
    };
    return new Reflector({ client, path, fieldSelector, from, heard, clock, log, signal: this.#halt.signal, onDeaf });
  }

  #say(): void {
    const { report } = this.#options.context;
    const hears = this.#hears;
    const [why] = this.#deaf.values();
    report(why === undefined ? { status: 'ok', hears } : { status: 'degraded', reason: why, hears });
  }
}

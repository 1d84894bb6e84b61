/** One of several is elected by a Lease; the holder leaves in it how far it has heard (coordination.k8s.io/v1). */
import type { Clock } from './clock.ts';
import { AppError, errorText } from './errors.ts';
import type { Log } from './log.ts';
import { objectOf, textOf } from './pointer.ts';

type Json = Readonly<Record<string, unknown>>;

/** As kube-controller-manager has it: the successor is there 15 s after the holder's last sign. */
const LEASE_SECONDS = 15;
const RENEW_MS = 3000;
/** The holder gives up before anybody else may take it. */
const GIVE_UP_MS = 10_000;
const RETRY_MS = 2000;
const NOT_FOUND = 404;
const CONFLICT = 409;
/** Annotation with the resource version up to which the holder has told Events. */
const HEARD_UNTIL = 'trotline.dev/heard-until';

/** The form of a Lease's name: `namespace/name`. */
export const LEASE_NAME = '^[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*$';

/** What the former holder left. */
export interface Handover {
  /** Resource version of the last Event that it told; undefined: there was none. */
  readonly heardUntil: string | undefined;
  /** Its last sign, milliseconds since the epoch by its own clock; null: there was no holder before. */
  readonly heardAt: number | null;
}

/** Single requests to the API server. An error of its answer has HTTP's `status`. */
export interface LeaseApi {
  get(path: string, signal: AbortSignal): Promise<Json>;
  send(method: 'POST' | 'PUT', path: string, body: Json, signal: AbortSignal): Promise<unknown>;
}

export interface LeaseOptions {
  readonly client: LeaseApi;
  readonly clock: Clock;
  readonly log: Log;
  /** `namespace/name`. */
  readonly lease: string;
  readonly holder: string;
  /** From the holder's last sign until another may take it, seconds. Default: 15. */
  readonly seconds?: number;
  /** It stays the holder while the API server cannot be reached: something else keeps two from being at it. Default: false. */
  readonly patient?: boolean;
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #path: string;
  readonly #collection: string;
  /** What the Lease said when it was seen last, and when that was by our clock: clocks are never compared. */
  #seen = { version: '', at: -Infinity };
  #transitions = 0;

  constructor(options: LeaseOptions) {
    this.#options = options;
    const [namespace = '', name = ''] = options.lease.split('/');
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    this.#path = `${this.#collection}/${name}`;
  }

  /** Resolves with what the former holder left, as soon as the Lease is ours; rejects when the signal aborts. */
  async acquire(signal: AbortSignal, onWait: (why: string) => void): Promise<Handover> {
    const { clock } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        const handover = await this.#take(signal, onWait);
        if (handover) return handover;
      } catch (error) {
        signal.throwIfAborted();
        if (statusOf(error) !== CONFLICT) onWait(`no Lease: ${errorText(error)}`);
      }
      await clock.sleep(RETRY_MS * (0.5 + Math.random()), signal);
    }
  }

  /** Null: somebody else has it. */
  async #take(signal: AbortSignal, onWait: (why: string) => void): Promise<Handover | null> {
    const { client, clock, holder, log } = this.#options;
    const lease = await client.get(this.#path, signal).catch((error: unknown) => {
      if (statusOf(error) === NOT_FOUND) return null;
      throw error;
    });
    if (lease === null) {
      await client.send('POST', this.#collection, this.#body({}, '', 0), signal);
      log.info({ lease: this.#options.lease }, 'elected');
      return { heardUntil: undefined, heardAt: null };
    }
    const spec = objectOf(lease.spec);
    const metadata = objectOf(lease.metadata);
    const version = textOf(metadata.resourceVersion);
    if (version !== this.#seen.version) this.#seen = { version, at: clock.monotonic() };
    const current = textOf(spec.holderIdentity);
    const seconds = typeof spec.leaseDurationSeconds === 'number' ? spec.leaseDurationSeconds : LEASE_SECONDS;
    if (current !== '' && current !== holder && clock.monotonic() - this.#seen.at < seconds * 1000) {
      onWait(`${current} is elected`);
      return null;
    }
    const heard = textOf(objectOf(metadata.annotations)[HEARD_UNTIL]);
    const changes = typeof spec.leaseTransitions === 'number' ? spec.leaseTransitions + 1 : 1;
    await client.send('PUT', this.#path, this.#body(metadata, heard, changes), signal);
    log.info({ lease: this.#options.lease }, 'elected');
    const renewed = Date.parse(textOf(spec.renewTime));
    return { heardUntil: heard || undefined, heardAt: heard === '' || Number.isNaN(renewed) ? null : renewed };
  }

  /** Renews until the signal aborts; rejects when the Lease is lost or could not be renewed in time. */
  async keep(signal: AbortSignal, heardUntil: () => string = () => ''): Promise<never> {
    const { client, clock, holder } = this.#options;
    let renewedAt = clock.monotonic();
    for (;;) {
      await clock.sleep(RENEW_MS, signal);
      try {
        const metadata = await this.#own(signal);
        const asked = clock.monotonic();
        await client.send('PUT', this.#path, this.#body(metadata, heardUntil(), null), signal);
        renewedAt = asked;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof LostLease) throw error;
        if (this.#options.patient || clock.monotonic() - renewedAt < GIVE_UP_MS) continue;
        throw new AppError('PEER_UNAVAILABLE', `${holder} could not renew its Lease: ${errorText(error)}`, {
          cause: error,
        });
      }
    }
  }

  /** The next one need not wait. */
  async release(heardUntil = ''): Promise<void> {
    const signal = AbortSignal.timeout(2000);
    try {
      const metadata = await this.#own(signal);
      const body = this.#body(metadata, heardUntil, null);
      await this.#options.client.send(
        'PUT',
        this.#path,
        { ...body, spec: { ...objectOf(body.spec), holderIdentity: '' } },
        signal,
      );
    } catch {
      // Then it runs out.
    }
  }

  async #own(signal: AbortSignal): Promise<Json> {
    const lease = await this.#options.client.get(this.#path, signal);
    const { holderIdentity, leaseTransitions } = objectOf(lease.spec);
    if (holderIdentity !== this.#options.holder)
      throw new LostLease('PEER_UNAVAILABLE', `the Lease went to ${JSON.stringify(holderIdentity)}`);
    if (typeof leaseTransitions === 'number') this.#transitions = leaseTransitions;
    return objectOf(lease.metadata);
  }

  #body(metadata: Json, heardUntil: string, transitions: number | null): Json {
    const [namespace, name] = this.#options.lease.split('/');
    const now = new Date(this.#options.clock.now()).toISOString().replace('Z', '000Z');
    if (transitions !== null) this.#transitions = transitions;
    const annotations = {
      ...objectOf(metadata.annotations),
      ...(heardUntil === '' ? {} : { [HEARD_UNTIL]: heardUntil }),
    };
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace, resourceVersion: metadata.resourceVersion, annotations },
      spec: {
        holderIdentity: this.#options.holder,
        leaseDurationSeconds: this.#options.seconds ?? LEASE_SECONDS,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: this.#transitions,
      },
    };
  }
}

class LostLease extends AppError {}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'status' in error ? error.status : undefined;
}

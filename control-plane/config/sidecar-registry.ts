import { AppError, type Clock, type SourceHealth } from '#core';

/** A plugin that a sidecar says it has. */
export interface SidecarPlugin {
  readonly kind: 'source' | 'action';
  readonly type: string;
  readonly stability: string;
  readonly schemaDigest: string;
}

/** Who a sidecar says it is. */
export interface SidecarIdentity {
  readonly sidecarId: string;
  readonly node: string;
  readonly version: string;
  readonly plugins: readonly SidecarPlugin[];
}

/** What became of one hook on one sidecar, and since when. */
export interface AppliedHook {
  readonly hook: string;
  readonly digest: string;
  readonly state: 'applied' | 'failed';
  /** '' when applied. */
  readonly reason: string;
  readonly sinceMs: number;
}

/** How a sidecar stands with its hooks. */
export interface SidecarStatus extends SidecarIdentity {
  readonly connected: boolean;
  /** Since when it is connected, or gone. */
  readonly sinceMs: number;
  readonly lastSeenMs: number;
  /** Version of the hooks it runs; '' none. */
  readonly heldVersion: string;
  /** The set as a whole: what the sidecar last answered. */
  readonly state: 'unknown' | 'applying' | 'applied' | 'failed';
  readonly reason: string;
  /** The version that it refused as a whole; not pushed again. '' none. */
  readonly refusedVersion: string;
  readonly hooks: readonly AppliedHook[];
}

/** An answer to a set of hooks. `hooks`: with `applied`, one entry for each hook of the set. */
export interface SetAnswer {
  readonly version: string;
  readonly state: 'applying' | 'applied' | 'failed';
  readonly reason: string;
  readonly hooks: readonly Omit<AppliedHook, 'sinceMs'>[];
}

/** A sidecar that has been gone for longer is forgotten. */
const FORGET_MS = 86_400_000;

/** Every sidecar that is connected, or was within a day. Kept in memory: sidecars tell again when they connect. */
export class SidecarRegistry {
  readonly #clock: Clock;
  readonly #sidecars = new Map<string, SidecarStatus>();
  readonly #health = new Map<string, readonly SourceHealth[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(): readonly SidecarStatus[] {
    const now = this.#clock.now();
    for (const [id, { connected, lastSeenMs }] of this.#sidecars) {
      if (connected || now - lastSeenMs <= FORGET_MS) continue;
      this.#sidecars.delete(id);
      this.#health.delete(id);
    }
    return [...this.#sidecars.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** What its sources last said of themselves; undefined before its first report to this process. */
  health(sidecarId: string): readonly SourceHealth[] | undefined {
    return this.#health.get(sidecarId);
  }

  reported(sidecarId: string, health: readonly SourceHealth[]): void {
    this.#health.set(sidecarId, health);
  }

  /** Throws NOT_FOUND for one that never connected. */
  get(sidecarId: string): SidecarStatus {
    const found = this.#sidecars.get(sidecarId);
    if (!found) throw new AppError('NOT_FOUND', `no sidecar "${sidecarId}" has connected`);
    return found;
  }

  /** A sidecar connected. What it refused is forgotten when it is not the same program any more. */
  connected(identity: SidecarIdentity, heldVersion: string): SidecarStatus {
    const now = this.#clock.now();
    const before = this.#sidecars.get(identity.sidecarId);
    const same = before && program(before) === program(identity);
    const status: SidecarStatus = {
      ...identity,
      connected: true,
      sinceMs: now,
      lastSeenMs: now,
      heldVersion,
      state: before?.heldVersion === heldVersion ? before.state : 'unknown',
      reason: before?.heldVersion === heldVersion ? before.reason : '',
      refusedVersion: same ? before.refusedVersion : '',
      hooks: before?.heldVersion === heldVersion ? before.hooks : [],
    };
    this.#sidecars.set(identity.sidecarId, status);
    return status;
  }

  disconnected(sidecarId: string): void {
    const now = this.#clock.now();
    this.#sidecars.set(sidecarId, { ...this.get(sidecarId), connected: false, sinceMs: now, lastSeenMs: now });
  }

  answered(sidecarId: string, answer: SetAnswer): SidecarStatus {
    const now = this.#clock.now();
    const before = this.get(sidecarId);
    const known = new Map(before.hooks.map((hook) => [hook.hook, hook]));
    const { version, state, reason } = answer;
    const status: SidecarStatus = {
      ...before,
      lastSeenMs: now,
      state,
      reason,
      heldVersion: state === 'applied' ? version : before.heldVersion,
      refusedVersion: state === 'failed' ? version : before.refusedVersion,
      hooks: state === 'applied' ? answer.hooks.map((hook) => since(hook, known.get(hook.hook), now)) : before.hooks,
    };
    this.#sidecars.set(sidecarId, status);
    return status;
  }
}

/** What must differ before a refused version is worth another try. */
function program({ version, plugins }: SidecarIdentity): string {
  return JSON.stringify([version, plugins.map(({ kind, type, schemaDigest }) => [kind, type, schemaDigest])]);
}

/** An answer that repeats an earlier one keeps its time. */
function since(hook: Omit<AppliedHook, 'sinceMs'>, earlier: AppliedHook | undefined, now: number): AppliedHook {
  const same = earlier?.state === hook.state && earlier.digest === hook.digest && earlier.reason === hook.reason;
  return { ...hook, sinceMs: same ? earlier.sinceMs : now };
}

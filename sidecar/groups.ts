/** Which events are one incident: told to the control plane, which knows those of all nodes (`spec.group`). */
import { type Clock, errorText, type Hook, hookId, type Log, type TrotlineEvent, whenUncoordinated } from '#core';
import { type EndResponse, GroupServiceClient, type JoinResponse, type MembersResponse } from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, unary } from './control-link.ts';
import { claimKey } from './claims/key.ts';

const PAUSE_MS = 1_000;
/** Characters. */
const LONGEST_MEMBER = 512;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/** The affected, as far as they are known. */
export interface Affected {
  readonly count: number;
  /** One line each: at most the first 100. */
  readonly members: readonly string[];
}

/** One event of this sidecar in its incident. */
export interface Membership {
  /** The hook has opened as many incidents as it may, and this would be another. */
  readonly limited: boolean;
  /** Monotonic. */
  readonly joinedAt: number;
  /** All that are in the incident by now, of all nodes; while the control plane is away, those of this one. */
  affected(): Promise<Affected>;
  /** The incident is answered and ends with the window that opened. */
  answered(windowMs: number): Promise<void>;
  /** The event has its outcome, or waits for another turn. */
  leave(): void;
}

export class Groups {
  readonly #service: GroupServiceClient;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Members of this sidecar by key, each with the number of its events. */
  readonly #own = new Map<string, Map<string, number>>();

  constructor(channel: Channel, clock: Clock, log: Log) {
    this.#service = new GroupServiceClient(channel.address, channel.credentials, CHANNEL_OPTIONS);
    this.#clock = clock;
    this.#log = log;
  }

  stop(): Promise<void> {
    this.#service.close();
    return Promise.resolve();
  }

  /** Rejects only with the signal's reason: hooks that wait for an absent control plane wait here. */
  async join(hook: Hook, event: TrotlineEvent, signal: AbortSignal): Promise<Membership> {
    const key = claimKey(hook, event);
    const member = memberOf(event);
    const leave = this.#enter(key, member);
    try {
      const limited = await this.#told(hook, key, member, signal);
      return {
        limited,
        joinedAt: this.#clock.monotonic(),
        affected: () => this.#affected(key),
        answered: (windowMs) => this.#answered(key, windowMs),
        leave,
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #told(hook: Hook, key: string, member: string, signal: AbortSignal): Promise<boolean> {
    const { limit } = hook.spec.group ?? {};
    const request = {
      key,
      hook: hookId(hook),
      member,
      incidents: BigInt(limit?.incidents ?? 0),
      perMs: BigInt(limit?.per ?? 0),
    };
    for (;;) {
      try {
        const { limited } = await unary<JoinResponse>((...call) => this.#service.join(request, ...call));
        return limited;
      } catch (error) {
        this.#log.debug({ hook: hookId(hook), error: errorText(error) }, 'incident not joined');
        if (whenUncoordinated(hook) !== 'wait') return false;
        await this.#clock.sleep(PAUSE_MS, signal);
      }
    }
  }

  async #affected(key: string): Promise<Affected> {
    try {
      const { count, members } = await unary<MembersResponse>((...call) => this.#service.members({ key }, ...call));
      if (count > 0) return { count, members };
    } catch (error) {
      this.#log.debug({ error: errorText(error) }, 'members not known, told are those of this node');
    }
    const own = [...(this.#own.get(key)?.keys() ?? [])];
    return { count: own.length, members: own.slice(0, 100) };
  }

  async #answered(key: string, windowMs: number): Promise<void> {
    const request = { key, windowMs: BigInt(windowMs) };
    await unary<EndResponse>((...call) => this.#service.end(request, ...call)).catch((error: unknown) =>
      this.#log.debug({ error: errorText(error) }, 'end of incident not told'),
    );
  }

  #enter(key: string, member: string): () => void {
    const members = this.#own.get(key) ?? new Map<string, number>();
    this.#own.set(key, members);
    members.set(member, (members.get(member) ?? 0) + 1);
    return () => {
      const left = (members.get(member) ?? 1) - 1;
      if (left > 0) members.set(member, left);
      else members.delete(member);
      if (members.size === 0 && this.#own.get(key) === members) this.#own.delete(key);
    };
  }
}

/** For people and agents, in one line; what happened to the same thing again is the same member. */
function memberOf({ subject, type, node, attributes }: TrotlineEvent): string {
  const { container, node_name: nodeName } = attributes;
  const inside = container === undefined ? '' : ` container ${String(container)}`;
  const short = type.slice(type.indexOf('.') + 1);
  const line = `${subject}${inside}: ${short} on ${String(nodeName ?? node)}`;
  return line.replaceAll(UNSEEN, ' ').slice(0, LONGEST_MEMBER);
}

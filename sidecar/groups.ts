/** Which events are one incident: told to the control plane, which knows those of all nodes (`spec.group`). */
import {
  type Clock,
  errorText,
  type Hook,
  hookId,
  type Log,
  loopOf,
  oneLine,
  type TrotlineEvent,
  whenUncoordinated,
} from '#core';
import {
  type EndResponse,
  GroupServiceClient,
  type JoinRequest,
  type JoinResponse,
  type MembersResponse,
} from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, unary } from './control-link.ts';
import { claimKey } from './claims/key.ts';

const PAUSE_MS = 1_000;
/** Characters. */
const LONGEST_MEMBER = 512;

/** The affected, as far as they are known. */
export interface Affected {
  readonly count: number;
  /** One line each: at most the first 100. */
  readonly members: readonly string[];
}

/** What the control plane said of an event, and what is to be said of it. */
export interface Joined {
  /** It would have begun one incident more than there may be. */
  readonly limited: boolean;
  /** Incidents within the limit's time, this one included; 0: no limit, or the control plane did not say. */
  readonly opened: number;
  /** The incident is answered and ends with the window that opened. */
  answered(windowMs: number): Promise<void>;
}

/** One event of this sidecar in an incident of many. */
export interface Membership extends Joined {
  /** Monotonic. */
  readonly joinedAt: number;
  /** All that are in the incident by now, of all nodes; while the control plane is away, those of this one. */
  affected(): Promise<Affected>;
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

  /** As one of many (`spec.group`). Rejects only with the signal's reason: hooks that wait for an absent control plane wait here. */
  async join(hook: Hook, event: TrotlineEvent, signal: AbortSignal): Promise<Membership> {
    const { limit } = hook.spec.group ?? {};
    const key = claimKey(hook, event);
    const member = memberOf(event);
    const leave = this.#enter(key, member);
    try {
      const most = { incidents: BigInt(limit?.incidents ?? 0), perMs: BigInt(limit?.per ?? 0) };
      const joined = await this.#join(hook, { key, budget: hookId(hook), member, ...most }, signal);
      return { ...joined, joinedAt: this.#clock.monotonic(), affected: () => this.#affected(key), leave };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** As a consequence of what an agent changed (`spec.loop`). Rejects as `join`. */
  joinLoop(hook: Hook, event: TrotlineEvent, signal: AbortSignal): Promise<Joined> {
    const { depth, per } = loopOf(hook.spec);
    const scope = hook.spec.dedup?.scope ?? 'none';
    const key = `loop ${scope === 'none' ? event.id : claimKey(hook, event)}`;
    const budget = `${hookId(hook)} loop of ${changedOf(event)}`;
    const most = { incidents: BigInt(depth), perMs: BigInt(per) };
    return this.#join(hook, { key, budget, member: memberOf(event), ...most }, signal);
  }

  async #join(hook: Hook, joining: JoinRequest, signal: AbortSignal): Promise<Joined> {
    const { limited, opened } = await this.#told(hook, joining, signal);
    return { limited, opened, answered: (windowMs) => this.#answered(joining.key, windowMs) };
  }

  async #told(hook: Hook, joining: JoinRequest, signal: AbortSignal): Promise<JoinResponse> {
    for (;;) {
      try {
        return await unary<JoinResponse>((...call) => this.#service.join(joining, ...call));
      } catch (error) {
        this.#log.debug({ hook: hookId(hook), error: errorText(error) }, 'incident not joined');
        if (whenUncoordinated(hook) !== 'wait') return { limited: false, opened: 0 };
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

/** Whose consequences are counted together: `namespace/Deployment/web`. */
export function changedOf({ namespace, attributes, subject }: TrotlineEvent): string {
  return `${namespace}/${String(attributes.owner ?? subject)}`;
}

/** For people and agents, in one line; what happened to the same thing again is the same member. */
function memberOf({ subject, type, node, attributes }: TrotlineEvent): string {
  const { container, node_name: nodeName } = attributes;
  const inside = container === undefined ? '' : ` container ${String(container)}`;
  const short = type.slice(type.indexOf('.') + 1);
  return oneLine(`${subject}${inside}: ${short} on ${String(nodeName ?? node)}`, LONGEST_MEMBER);
}

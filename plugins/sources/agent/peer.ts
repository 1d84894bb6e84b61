/** Who asks at the socket: its user by the kernel's word, its pod by its cgroup. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

import { type AgentPeer, AppError, type Log, NO_PEER } from '#core';
import { peerCredentials } from '#native';

/** Pods that are remembered by their UID. */
const MAX_PODS = 10_000;
const POD_UID = /pod([0-9a-f]{8})[-_]([0-9a-f]{4})[-_]([0-9a-f]{4})[-_]([0-9a-f]{4})[-_]([0-9a-f]{12})/;

/**
 * UID of the pod that a process of this cgroup is in (`/proc/PID/cgroup`; cgroup v1 and v2, drivers systemd and cgroupfs, every
 * runtime: the kubelet names the pod's own cgroup); '' for a process of no pod.
 */
export function podUidIn(cgroup: string): string {
  const found = POD_UID.exec(cgroup);
  return found ? found.slice(1).join('-') : '';
}

export interface PeersOptions {
  /** Empty: whoever could connect. */
  readonly users: readonly number[];
  /** Where the kubelet has a folder `namespace_name_uid` for each pod. */
  readonly podFolder: string;
  readonly log: Log;
  /** For tests; default: the kernel's. */
  readonly proc?: string;
}

export class Peers {
  readonly #options: PeersOptions;
  /** By connection: who opened it is asked once. */
  readonly #known = new WeakMap<Socket, AgentPeer>();
  readonly #pods = new Map<string, Pick<AgentPeer, 'namespace' | 'pod'>>();
  #isBlind = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Throws POLICY_REFUSED for a user that may not ask. */
  of(socket: Socket): AgentPeer {
    const known = this.#known.get(socket);
    if (known) return known;
    const peer = this.#peerOf(socket);
    this.#known.set(socket, peer);
    return peer;
  }

  #peerOf(socket: Socket): AgentPeer {
    const credentials = this.#credentials(socket);
    const { users } = this.#options;
    const uid = credentials?.uid ?? null;
    if (users.length > 0 && (uid === null || !users.includes(uid)))
      throw new AppError(
        'POLICY_REFUSED',
        `user ${uid ?? 'unknown'} may not ask here, expected one of ${users.join(', ')}`,
      );
    if (!credentials) return NO_PEER;
    const { pid } = credentials;
    const podUid = pid === 0 ? '' : this.#podUidOf(pid);
    return { ...NO_PEER, ...this.#podOf(podUid), podUid, uid, pid: pid === 0 ? null : pid };
  }

  /** A node without the addon answers all the same, unless users are named. */
  #credentials(socket: Socket): ReturnType<typeof peerCredentials> {
    try {
      return peerCredentials(socket);
    } catch (error) {
      if (!this.#isBlind) this.#options.log.warn({ error }, 'who asks at the socket is not known');
      this.#isBlind = true;
      return null;
    }
  }

  /** The pid is another process by now only where the asker has ended: then nobody reads the answer. */
  #podUidOf(pid: number): string {
    try {
      return podUidIn(readFileSync(`${this.#options.proc ?? '/proc'}/${pid}/cgroup`, 'latin1'));
    } catch {
      return '';
    }
  }

  #podOf(uid: string): Pick<AgentPeer, 'namespace' | 'pod'> {
    if (uid === '') return NO_PEER;
    const known = this.#pods.get(uid);
    if (known) return known;
    const folder = this.#podFolders().find((name) => name.endsWith(`_${uid}`));
    const [namespace = '', pod = ''] = folder?.split('_') ?? [];
    if (folder === undefined) return NO_PEER;
    if (this.#pods.size >= MAX_PODS) this.#pods.clear();
    this.#pods.set(uid, { namespace, pod });
    return { namespace, pod };
  }

  #podFolders(): string[] {
    try {
      return readdirSync(this.#options.podFolder);
    } catch {
      return [];
    }
  }
}

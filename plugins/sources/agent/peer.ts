/** Who asks at the socket: its user by the kernel's word, its pod by its cgroup. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

import { type AgentPeer, AppError, isObject, type Log, NO_PEER } from '#core';
import { openPeer, type Peer } from '#native';

import { podUidIn } from './cgroup.ts';

/** Pods that are remembered by their UID. */
const MAX_PODS = 10_000;

export interface PeersOptions {
  /** With `groups`: who may ask; both empty: whoever could connect. */
  readonly users: readonly number[];
  /** A member of one of them may ask. */
  readonly groups: readonly number[];
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
    const opened = this.#open(socket);
    try {
      return this.#admitted(opened);
    } finally {
      opened?.close();
    }
  }

  #admitted(opened: Peer | null): AgentPeer {
    if (!this.#mayAsk(opened))
      throw new AppError('POLICY_REFUSED', `user ${opened?.uid ?? 'unknown'} may not ask here, ${this.#expected()}`);
    if (!opened) return NO_PEER;
    const { pid, uid } = opened;
    const podUid = podUidOf(opened, this.#options.proc);
    return { ...NO_PEER, ...this.#podOf(podUid), podUid, uid, pid: pid === 0 ? null : pid };
  }

  #mayAsk(opened: Peer | null): boolean {
    const { users, groups } = this.#options;
    if (users.length === 0 && groups.length === 0) return true;
    if (!opened) return false;
    return users.includes(opened.uid) || [opened.gid, ...(opened.groups ?? [])].some((group) => groups.includes(group));
  }

  #expected(): string {
    const { users, groups } = this.#options;
    const parts = [
      ...(users.length === 0 ? [] : [`one of ${users.join(', ')}`]),
      ...(groups.length === 0 ? [] : [`a member of group ${groups.join(', ')}`]),
    ];
    return `expected ${parts.join(' or ')}`;
  }

  /** A node without the addon answers all the same, unless it is to know them. */
  #open(socket: Socket): Peer | null {
    const fd = descriptorOf(socket);
    if (fd === null) return null;
    try {
      return openPeer(fd);
    } catch (error) {
      if (!this.#isBlind) this.#options.log.warn({ error }, 'who asks at the socket is not known');
      this.#isBlind = true;
      return null;
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

/** What was read is the asker's only if it still was the process of that number afterwards. '' without a pod. */
export function podUidOf(peer: Pick<Peer, 'pid' | 'isSame'>, proc = '/proc'): string {
  if (peer.pid === 0) return '';
  let text: string;
  try {
    text = readFileSync(`${proc}/${peer.pid}/cgroup`, 'latin1');
  } catch {
    return '';
  }
  return peer.isSame() ? podUidIn(text) : '';
}

/** Node does not document the descriptor of a Unix socket; it is a property of what is under it. Null for all other sockets. */
function descriptorOf(socket: Socket): number | null {
  if (socket.destroyed || socket.remoteAddress !== undefined || !('_handle' in socket)) return null;
  const { _handle: handle } = socket;
  if (!isObject(handle) || !('fd' in handle)) return null;
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : null;
}

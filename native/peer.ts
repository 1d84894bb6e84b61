import { closeSync, readFileSync } from 'node:fs';
import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';

/** The other end of a connected Unix socket, as the kernel noted it when they connected. */
export interface PeerCredentials {
  /** 0: it has none in this pid namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary ones; null where the kernel does not tell. */
  readonly groups: readonly number[] | null;
}

export interface Peer extends PeerCredentials {
  /**
   * Whether the process of this number is still the one that connected: asked after something was read from its `/proc` folder,
   * true says that it was its own. Before Linux 6.5 it is the one that had the number at `openPeer`.
   */
  isSame(): boolean;
  /** Idempotent. */
  close(): void;
}

/** What the addon gives: `pidfd` is -1 where the kernel has none. */
export interface NativePeer extends PeerCredentials {
  readonly pidfd: number;
}

/**
 * Of the descriptor of a connected Unix socket, which stays the caller's. Throws `NativeUnavailableError` without the addon,
 * `NativeError` when it is no such socket.
 */
export function openPeer(fd: number): Peer {
  const { pid, uid, gid, groups, pidfd } = asked(fd);
  const identity = pidfd >= 0 ? byDescriptor(pidfd) : byStart(pid);
  return { pid, uid, gid, groups, isSame: () => identity.isSame(), close: () => identity.close() };
}

function asked(fd: number): NativePeer {
  const addon = loadAddon();
  try {
    return addon.peerCredentials(fd);
  } catch (error) {
    throw toNativeError(error);
  }
}

type Identity = Pick<Peer, 'isSame' | 'close'>;

/** The kernel says -1 of a process that has ended, and 0 of one that is not in this pid namespace. */
function byDescriptor(pidfd: number): Identity {
  let open = true;
  return {
    isSame: () => open && /^Pid:\s+[1-9]/m.test(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8')),
    close: () => {
      if (open) closeSync(pidfd);
      open = false;
    },
  };
}

/** A number that was given anew has another start. */
export function byStart(pid: number): Identity {
  const before = startOf(pid);
  return { isSame: () => before !== null && startOf(pid) === before, close: () => undefined };
}

/** In ticks since the boot; null: no such process. Its name, in brackets before, may hold anything. */
function startOf(pid: number): string | null {
  if (pid <= 0) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? null : (rest[18] ?? null);
  } catch {
    return null;
  }
}

import type { Socket } from 'node:net';
import { loadAddon } from './addon.ts';
import { toNativeError } from './errors.ts';

/** Of whoever connected, as the kernel noted it then. */
export interface PeerCredentials {
  /** 0: in a pid namespace that this process does not see into. */
  pid: number;
  uid: number;
  gid: number;
}

/** Null for what is no connected Unix socket. Throws `NATIVE_UNAVAILABLE` without the addon, `NativeError` when the kernel refuses. */
export function peerCredentials(socket: Socket): PeerCredentials | null {
  const fd = descriptorOf(socket);
  if (fd === null) return null;
  const addon = loadAddon();
  try {
    const [pid, uid, gid] = addon.peerCredentials(fd);
    return { pid, uid, gid };
  } catch (error) {
    throw toNativeError(error);
  }
}

/** Node has no public name for it; it has been this one since its first version. */
function descriptorOf(socket: Socket): number | null {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : null;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}

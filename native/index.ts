export { loadAddon } from './addon.ts';
export { type FileLock, tryLockFile } from './file-lock.ts';
export { NativeError, NativeUnavailableError, errnoName, errnoText } from './errors.ts';
export { openNetlinkReader, openNetlinkSocket } from './netlink.ts';
export type { NetlinkReader, NetlinkReaderOptions, NetlinkStats } from './netlink.ts';
export { type Opener, startOpener } from './opener.ts';
export { openPeer, type Peer, type PeerCredentials } from './peer.ts';
export type {
  AddressRecord,
  DumpDoneRecord,
  EchoRecord,
  FailureRecord,
  Family,
  LinkRecord,
  NeighbourRecord,
  NetlinkRecord,
  NetnsRecord,
  NexthopGoneRecord,
  ObjectRecord,
  OverflowRecord,
  RouteRecord,
  RuleRecord,
} from './records.ts';
export { Spawner } from './spawner.ts';
export type { SpawnEnded, SpawnLimit, SpawnRequest, SpawnerOptions } from './spawner.ts';

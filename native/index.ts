export { loadAddon } from './addon.ts';
export { type FileLock, tryLockFile } from './file-lock.ts';
export { NativeError, NativeUnavailableError, errnoName } from './errors.ts';
export { openNetlinkReader, openNetlinkSocket } from './netlink.ts';
export type {
  DumpDoneRecord,
  FailureRecord,
  LinkRecord,
  NetlinkReader,
  NetlinkReaderOptions,
  NetlinkRecord,
  NetlinkStats,
  OverflowRecord,
} from './netlink.ts';
export { Spawner } from './spawner.ts';
export type { SpawnEnded, SpawnLimit, SpawnRequest, SpawnerOptions } from './spawner.ts';

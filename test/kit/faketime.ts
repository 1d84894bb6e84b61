/** libfaketime, which gives single processes a wall clock that tests may set; the machine's clock is never touched. */
import { globSync } from 'node:fs';
import { join } from 'node:path';

import { unpackedPackages } from './debian.ts';

const LIBRARY = 'lib/*/faketime/libfaketime.so.1';

/** The library's path: the machine's own, else that of a Debian package which is unpacked into the cache; null where neither is to be had. */
export function faketimeLibrary(): string | null {
  const [installed] = globSync(join('/usr', LIBRARY));
  if (installed !== undefined) return installed;
  const folder = unpackedPackages('libfaketime', ['libfaketime']);
  return folder === null ? null : (globSync(join(folder, 'usr', LIBRARY))[0] ?? null);
}

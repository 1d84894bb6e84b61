import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { errorText, isObject, type Log, type SourceMemory } from '#core';

/** `<data>/sources/<type>`: the text that a source of this type leaves to its next life. */
export function sourceMemory(data: string, type: string, log: Log): SourceMemory {
  const folder = join(data, 'sources');
  const path = join(folder, type);
  let last: Promise<unknown> = Promise.resolve();
  return {
    async read() {
      await last;
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if (!(isObject(error) && error.code === 'ENOENT'))
          log.warn({ path, error: errorText(error) }, 'memory of a source not read');
        return null;
      }
    },
    async write(text) {
      const written = last.then(async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(`${path}.new`, text, { mode: 0o600 });
        return rename(`${path}.new`, path);
      });
      last = written.catch(() => undefined);
      await written;
    },
  };
}

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Everything that is loaded with a file: what is only a type is not. */
function loadedBy(file: string, seen: Set<string>): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, 'utf8').replaceAll(/^(?:import|export) type [^;]*;/gm, '');
  for (const [, from = ''] of text.matchAll(/\bfrom\s*['"]([^'"]+)['"]/g)) {
    if (from.startsWith('node:')) continue;
    if (from === '#core/light') loadedBy(join(ROOT, 'core/light.ts'), seen);
    else if (from.startsWith('.')) loadedBy(join(dirname(file), from), seen);
    else seen.add(from);
  }
  return seen;
}

it('an agent that loads the library loads nothing but Node’s modules and ours', () => {
  const loaded = [...loadedBy(join(ROOT, 'agent/index.ts'), new Set())];
  expect(loaded.length).toBeGreaterThan(10);
  expect(loaded.filter((file) => !file.startsWith(ROOT))).toEqual([]);
  expect(loaded.some((file) => file.endsWith('core/index.ts'))).toBe(false);
});

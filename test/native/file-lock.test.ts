import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { tryLockFile } from '#native';

let folder: string;

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'lock-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('a locked file is nobody else’s until it is released', () => {
  const path = join(folder, 'lock');
  const first = tryLockFile(path);
  expect(first).not.toBeNull();
  expect(tryLockFile(path)).toBeNull();
  first?.release();
  const second = tryLockFile(path);
  expect(second).not.toBeNull();
  second?.release();
});

it('a link in the place of the lock is refused', () => {
  writeFileSync(join(folder, 'other'), '');
  symlinkSync(join(folder, 'other'), join(folder, 'lock'));
  expect(() => tryLockFile(join(folder, 'lock'))).toThrow('ELOOP');
});

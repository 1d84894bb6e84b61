import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { defineSource, Duration, Type } from '#core';

import { parseSourceConfigs, readSourceConfigs } from '../../../sidecar/source-configs.ts';

const timer = defineSource({
  type: 'timer',
  stability: 'experimental',
  eventTypes: ['timer.rang'],
  config: Type.Object({ every: Duration({ default: '1s', description: '' }) }, { additionalProperties: false }),
  create: () => ({}),
});

function told(text: string): string {
  try {
    return JSON.stringify(Object.fromEntries(parseSourceConfigs(text, 'sources.yaml', [timer])));
  } catch (error) {
    return String(error).replace('ConfigError: invalid sources.yaml: ', '');
  }
}

describe('the sources file', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trotline-sources-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('has the options of each source', async () => {
    const path = join(folder, 'sources.yaml');
    await writeFile(path, 'version: 1\nsources:\n  timer: { every: 5s }\n');
    expect(await readSourceConfigs(path, [timer])).toEqual(new Map([['timer', { every: '5s' }]]));
  });

  it('must be there once it is named', async () => {
    await expect(readSourceConfigs(join(folder, 'none.yaml'), [timer])).rejects.toThrow('cannot be read: ENOENT');
  });

  it.each([
    ['version: 1', '{}'],
    ['version: 1\nsources: { timer: false }', '{"timer":false}'],
    ['version: 1\nsources:\n  timer:', '{"timer":null}'],
    ['', 'is empty, expected `version: 1`'],
    ['sources: {}', 'line 1, column 1: /version is required'],
    ['version: 1\n---\nversion: 1', 'line 3, column 1: is a second document'],
    [
      'version: 1\nsources:\n  timr: {}',
      'line 3, column 3: /sources/timr unknown source "timr"; did you mean "timer"?, expected timer',
    ],
    [
      'version: 1\nsources:\n  timer: { evry: 1s }',
      'line 3, column 12: /sources/timer/evry is not a known key; did you mean "every"?',
    ],
    ['version: 1\nsources:\n  timer: true', 'line 3, column 10: /sources/timer must be a map'],
  ])('of %j says %s', (text, answer) => {
    expect(told(text)).toContain(answer);
  });
});

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { vocabulary } from '#plugins/schemas';

import { DataLock } from '../../../sidecar/data-lock.ts';
import { sidecarId } from '../../../sidecar/identity.ts';
import { writeLastGood } from '../../../sidecar/last-good.ts';
import { silentLog } from '../../kit/action-context.ts';
import { startedJournal, temporaryFolder, testClock } from './kit.ts';

const isRoot = process.geteuid?.() === 0;

async function refusals(data: string): Promise<string[]> {
  const lock = new DataLock({ data, clock: testClock(), log: silentLog });
  return Promise.all(
    [lock.start(new AbortController().signal), sidecarId(data)].map((start) => start.then(String, String)),
  );
}

describe('the data folder', () => {
  it('is made for its user alone', async () => {
    using folder = temporaryFolder();
    const data = join(folder.path, 'a', 'data');
    await sidecarId(data);
    expect(statSync(data).mode & 0o777).toBe(0o700);
  });

  it.each(['0777', '0770', '01777'])('of mode %s, which others can write, is refused with what to do', async (mode) => {
    using folder = temporaryFolder();
    chmodSync(folder.path, Number.parseInt(mode, 8));
    for (const refusal of await refusals(folder.path)) {
      expect(refusal).toContain(`data folder ${folder.path} has mode ${mode}`);
      expect(refusal).toContain(`chmod 700 ${folder.path}`);
    }
  });

  it.runIf(isRoot)('of another user is refused with what to do', async () => {
    using folder = temporaryFolder();
    chownSync(folder.path, 12_345, 12_345);
    for (const refusal of await refusals(folder.path)) {
      expect(refusal).toContain('belongs to user 12345, expected user 0 or root');
      expect(refusal).toContain(`chown 0 ${folder.path}`);
    }
  });

  it('has no link followed where files of ours are made', async () => {
    using folder = temporaryFolder();
    const victim = join(folder.path, 'victim');
    writeFileSync(victim, 'precious');
    const data = join(folder.path, 'data');
    mkdirSync(data);
    symlinkSync(victim, join(data, 'hooks.json.new'));
    await writeLastGood(join(data, 'hooks.json'), { version: 'v', hooks: [] }, vocabulary);
    const journal = await startedJournal(join(data, 'journal'), { segmentBytes: 4096 });
    symlinkSync(victim, join(data, 'journal', '0000000002.log'));
    for (let count = 0; count < 200; count++) void journal.counters([]);
    await journal.stop();
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(readFileSync(join(data, 'hooks.json'), 'utf8')).toContain('"version":"v"');
    expect(readFileSync(join(data, 'journal', '0000000002.log'), 'utf8')).toContain('trotline-journal 1');
  });
});

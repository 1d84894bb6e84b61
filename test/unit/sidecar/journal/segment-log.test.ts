import { open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { writeFrame } from '../../../../sidecar/journal/frames.ts';
import { SegmentLog, type SegmentLogOptions } from '../../../../sidecar/journal/segment-log.ts';
import { silentLog } from '../../../kit/action-context.ts';
import { eventually } from '../../../kit/eventually.ts';
import { temporaryFolder } from '../kit.ts';

const record = (text: string): string => JSON.stringify({ k: text });

function logIn(folder: string, parts: Partial<SegmentLogOptions> = {}): SegmentLog {
  return new SegmentLog({ folder, sync: 'none', segmentBytes: 1 << 20, log: silentLog, ...parts });
}

async function readAll(folder: string): Promise<{ seen: string[]; damaged: number }> {
  const seen: string[] = [];
  const log = logIn(folder);
  const damages = await log.open((payload) => void seen.push(payload));
  await log.close();
  return { seen, damaged: damages.length };
}

/** Writes records, then closes; returns the segment's path. */
async function written(folder: string, records: readonly string[]): Promise<string> {
  const log = logIn(folder);
  await log.open(() => undefined);
  for (const each of records) log.append(each);
  await log.close();
  return join(folder, '0000000001.log');
}

/** Counts writes, and fails them while it is told to. */
function disk() {
  const state = { failing: false, half: false, writes: 0 };
  const opened: typeof open = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    const write = file.write.bind(file) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
    const faulty = async (bytes: Buffer, from: number, length: number, at: number) => {
      if (state.failing) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      state.writes++;
      if (!state.half) return write(bytes, from, length, at);
      state.half = false;
      const result = await write(bytes, from, Math.ceil(length / 2), at);
      state.failing = true;
      return result;
    };
    return Object.assign(file, { write: faulty });
  };
  return { state, open: opened };
}

/** Notes what is synced: paths in order, each once in a row. */
function syncs() {
  const paths: string[] = [];
  const opened: typeof open = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    const datasync = file.datasync.bind(file);
    return Object.assign(file, {
      datasync: () => {
        const name = basename(String(path));
        if (paths.at(-1) !== name) paths.push(name);
        return datasync();
      },
    });
  };
  return { paths, open: opened };
}

describe('a segment log', () => {
  it('with full sync is on disk before it counts as written, new files with their folder', async () => {
    using folder = temporaryFolder();
    const { paths, open: noting } = syncs();
    const log = logIn(folder.path, { sync: 'full', open: noting });
    await log.open(() => undefined);
    log.append(record('a'));
    await log.flush();
    log.roll(record('head'));
    await log.flush();
    const name = basename(folder.path);
    expect(paths).toEqual([name, '0000000001.log', name, '0000000002.log']);
    await log.close();
  });

  it('without it leaves the disk its time', async () => {
    using folder = temporaryFolder();
    const { paths, open: noting } = syncs();
    const log = logIn(folder.path, { open: noting });
    await log.open(() => undefined);
    log.append(record('a'));
    await log.close();
    expect(paths).toEqual([]);
  });

  it('gives back what was appended, in order, whatever its bytes are', async () => {
    using folder = temporaryFolder();
    const records = [record('a'), record('é😀'.repeat(100_000)), record(''), record('\0\n')];
    await written(folder.path, records);
    expect(await readAll(folder.path)).toEqual({ seen: records, damaged: 0 });
  });

  it('writes many appends at once, and those that come meanwhile in the next write', async () => {
    using folder = temporaryFolder();
    const { state, open: counted } = disk();
    const log = logIn(folder.path, { open: counted });
    await log.open(() => undefined);
    state.writes = 0;
    for (let count = 0; count < 1000; count++) log.append(record('x'));
    const first = log.flush();
    await Promise.resolve();
    for (let count = 0; count < 1000; count++) log.append(record('y'));
    await Promise.all([first, log.flush(), log.flush()]);
    expect(state.writes).toBe(2);
    await log.close();
    expect((await readAll(folder.path)).seen).toHaveLength(2000);
  });

  it('tries a failed write again at the same place: nothing is lost, torn or twice', async () => {
    using folder = temporaryFolder();
    const { state, open: faulty } = disk();
    const log = logIn(folder.path, { open: faulty });
    await log.open(() => undefined);
    state.half = true;
    log.append(record('a'));
    const flushed = log.flush();
    await eventually(() => expect(log.failing).toMatch(/ENOSPC/));
    log.append(record('b'));
    state.failing = false;
    await Promise.all([flushed, log.flush()]);
    expect(log.failing).toBeNull();
    await log.close();
    expect(await readAll(folder.path)).toEqual({ seen: [record('a'), record('b')], damaged: 0 });
  });

  it('ends in spite of a failing disk, and writes nothing behind what was given up', async () => {
    using folder = temporaryFolder();
    const { state, open: faulty } = disk();
    const log = logIn(folder.path, { open: faulty });
    await log.open(() => undefined);
    state.failing = true;
    log.append(record('a'));
    const given = log.flush().catch((error: Error) => error.message);
    await eventually(() => expect(log.failing).not.toBeNull());
    log.hurry();
    expect(await given).toMatch(/ENOSPC/);
    state.failing = false;
    log.append(record('b'));
    await log.close();
    expect((await readAll(folder.path)).seen).toEqual([]);
  });

  it('leaves out a torn end, wherever it is torn', async () => {
    using folder = temporaryFolder();
    const path = await written(folder.path, [record('a'), record('b')]);
    const whole = await readFile(path);
    for (let length = whole.length - 1; length >= 0; length--) {
      await writeFile(path, whole);
      await truncate(path, length);
      const { seen, damaged } = await readAll(folder.path);
      expect([record('a'), record('b')].slice(0, seen.length)).toEqual(seen);
      expect(damaged).toBe(0);
    }
  });

  it('takes zeros behind the end for a torn end', async () => {
    using folder = temporaryFolder();
    const path = await written(folder.path, [record('a')]);
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(4096)]));
    expect(await readAll(folder.path)).toEqual({ seen: [record('a')], damaged: 0 });
  });

  it('tells a damaged record in the middle and goes on behind it', async () => {
    using folder = temporaryFolder();
    const path = await written(folder.path, [record('a'), record('broken'), record('c')]);
    const bytes = await readFile(path);
    bytes.write('X', bytes.indexOf('broken'));
    await writeFile(path, bytes);
    expect(await readAll(folder.path)).toEqual({ seen: [record('a'), record('c')], damaged: 1 });
  });

  it('refuses a folder of another format and changes nothing in it', async () => {
    using folder = temporaryFolder();
    const path = await written(folder.path, []);
    const bytes = await readFile(path);
    writeFrame(bytes, 0, 'trotline-journal 9');
    await writeFile(path, bytes);
    await expect(readAll(folder.path)).rejects.toThrow(/is of another format \("trotline-journal 9"\)/);
    expect(await readdir(folder.path)).toEqual(['0000000001.log']);
  });
});

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';

import { describe, expect, test } from 'vitest';

import { claim } from './kit/claims.ts';
import { HOOK, outcomes } from './kit/reports.ts';
import { acquire, useStores } from './kit/store.ts';

const { folder, path, start } = useStores();

test('a file of the version before is read, and brought to this one', async () => {
  const store = await start();
  await claim(store, [acquire('a', 'k')]);
  await store.report('s', 'node-1', outcomes(1, 2));
  await store.stop?.();
  using database = new DatabaseSync(path());
  database.exec('ALTER TABLE sidecars DROP COLUMN missing_until');
  database.exec('DROP TABLE incidents; DROP TABLE members; DROP TABLE openings; DROP TABLE approvals;');
  database.exec('DROP TABLE sessions; DROP TABLE session_events; DROP TABLE forgotten');
  database.exec('ALTER TABLE stats DROP COLUMN timed; DROP TABLE durations; PRAGMA user_version = 2');
  database.close();
  const again = await start();
  expect(await claim(again, [acquire('b', 'k')])).toMatchObject([{ answer: { kind: 'held' } }]);
  expect(await again.stats()).toMatchObject([{ executions: 2, avgMs: 10, maxMs: 10, p50Ms: null }]);
});

describe('a file that cannot be used', () => {
  test('because another store has it is named, and the other goes on', async () => {
    const store = await start();
    await expect(start()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: `store ${path()} is in use by another control plane (it holds ${path()}.lock)`,
    });
    expect(await store.report('s', 'node-1', outcomes(1, 1))).toBe(1);
  });

  test('because it is damaged is named and left as it is', async () => {
    const rubbish = Buffer.alloc(8_192, 'rubbish');
    await writeFile(path(), rubbish);
    await expect(start()).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining(`store ${path()} is damaged`),
    });
    expect(await readFile(path())).toEqual(rubbish);
  });

  test('because a page of it is damaged is named and left as it is', async () => {
    const store = await start();
    await claim(
      store,
      Array.from({ length: 500 }, (_, index) => acquire('a', `key-${index}`)),
    );
    await store.stop?.();
    const bytes = await readFile(path());
    await writeFile(path(), bytes.fill(0xff, 4_096));
    await expect(start()).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining(path()) });
    // The first 100 bytes are SQLite's header with a counter of its own.
    expect((await readFile(path())).subarray(100)).toEqual(bytes.subarray(100));
  });

  test('because a newer program wrote it is refused with both versions', async () => {
    await (await start()).stop?.();
    using database = new DatabaseSync(path());
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(start()).rejects.toMatchObject({
      message: expect.stringMatching(/newer program: .*version 99.*up to 6/),
    });
  });

  test("because it is another program's database is refused", async () => {
    using database = new DatabaseSync(path());
    database.exec('CREATE TABLE theirs (x)');
    database.close();
    await expect(start()).rejects.toMatchObject({ message: expect.stringContaining('no Trotline store') });
  });
});

test('the files are for their owner alone', async () => {
  await start();
  for (const name of ['store.db', 'store.db-wal', 'store.db.lock']) {
    expect((await stat(join(folder(), name))).mode & 0o777).toBe(0o600);
  }
});

test('a copy made while it runs opens, with all that was acknowledged', async () => {
  const store = await start();
  await store.report('s', 'node-1', outcomes(1, 10));
  for (const suffix of ['', '-wal']) await copyFile(`${path()}${suffix}`, `${path()}.copy${suffix}`);
  expect(await (await start({}, `${path()}.copy`)).resumeReports('s', 'node-1', 0)).toBe(10);
});

test('kill -9 under load loses nothing that was acknowledged', async () => {
  const child = run(process.execPath, [path()]);
  const lines = await linesUntil(
    child,
    (all) => all.length > 2_000,
    () => child.kill('SIGKILL'),
  );
  const stored = lines.filter((line) => line.startsWith('stored')).map((line) => Number(line.split(' ')[1]));
  const done = lines.filter((line) => line.startsWith('done')).map((line) => line.split(' ')[1] ?? '');
  expect(stored.length).toBeGreaterThan(10);
  expect(done.length).toBeGreaterThan(10);

  const store = await start();
  const sequence = await store.resumeReports('s', 'node-1', 0);
  expect(sequence).toBeGreaterThanOrEqual(Math.max(...stored));
  expect(await store.events({ limit: 10_000 })).toHaveLength(sequence);
  expect((await store.ledger())[0]?.stored).toEqual({ [HOOK]: { delivered: sequence } });
  const answers = await claim(
    store,
    done.map((key) => acquire('b', key)),
  );
  expect(new Set(answers.map(({ answer }) => answer.kind))).toEqual(new Set(['done']));
});

/** A file system of its own needs a user namespace, which some machines refuse. */
const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;

test.skipIf(!canMount)('a full disk acknowledges nothing, and the store goes on when there is room again', async () => {
  const mount = join(folder(), 'disk');
  const script = `mkdir ${mount} && mount -t tmpfs -o size=3m tmpfs ${mount} && head -c 1m /dev/zero > ${mount}/ballast &&
    { exec 3<&0; ( read line <&3; rm ${mount}/ballast ) & exec "$0" --conditions=source "$1" ${mount}/store.db fill; }`;
  const child = spawn('unshare', ['-rm', 'sh', '-c', script, process.execPath, CHILD], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = await linesUntil(
    child,
    (all) => all.some((line) => line.startsWith('full')),
    () => child.stdin.end('free\n'),
  );
  expect(lines[0]).toBe('full STORE_FAILED');
  const [word, acknowledged, stored, counted] = lines.at(-1)?.split(' ') ?? [];
  expect(word).toBe('recovered');
  expect([stored, counted]).toEqual([acknowledged, acknowledged]);
});

const CHILD = new URL('./kit/store-child.ts', import.meta.url).pathname;

function run(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, ['--conditions=source', CHILD, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** All lines the child printed until it ended; `act` is called once, when `enough` holds. */
async function linesUntil(
  child: ChildProcess,
  enough: (lines: string[]) => boolean,
  act: () => void,
): Promise<string[]> {
  const lines: string[] = [];
  const ended = once(child, 'close');
  let acted = false;
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    if (!acted && enough(lines)) {
      acted = true;
      act();
    }
  }
  await ended;
  return lines;
}

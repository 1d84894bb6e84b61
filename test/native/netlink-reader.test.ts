import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { LinkRecord, NetlinkStats } from '#native';
import { inNetns, netnsMissing } from '../kit/netns.ts';
import type { NetnsOptions } from '../kit/netns.ts';

const SCRIPT = fileURLToPath(new URL('netlink-scenarios.ts', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));
const BUILT = existsSync(join(NATIVE, 'build/Release/trotline.node'));

const missing = BUILT ? netnsMissing() : 'the native addon was not built';
if (missing !== null) console.warn(`netlink reader tests are skipped: ${missing}`);

async function scenario<T>(name: string, options: NetnsOptions = {}): Promise<T> {
  const { lines, stderr, exitCode } = await inNetns<T>(SCRIPT, [name], options);
  expect({ stderr, exitCode, lines: lines.length }).toEqual({ stderr: '', exitCode: 0, lines: 1 });
  return lines[0]!;
}

interface Life {
  added: LinkRecord;
  carrier: LinkRecord;
  down: LinkRecord;
  afterDelete: [number, string][];
  received: number;
  records: number;
}

describe.skipIf(missing !== null)('the netlink reader', () => {
  it('reads a link that is added, changed, set up and down, and deleted', async () => {
    const { added, carrier, down, afterDelete, received, records } = await scenario<Life>('lifeOfALink');
    expect(added).toMatchObject({ kind: 'link', messageType: 16, dump: null, family: 0, deviceType: 1, mtu: 1500 });
    expect(added).toMatchObject({
      linkKind: 'veth',
      carrier: 0,
      operstate: 2,
      master: null,
      alias: null,
      linkNetnsid: null,
    });
    expect(added.address).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(carrier).toMatchObject({ address: '02:00:5e:10:00:ff', alias: 'uplink', mtu: 1300, qdisc: 'noqueue' });
    expect(carrier).toMatchObject({ ifindex: added.ifindex, carrierUpCount: 1, txQueueLen: 1000, group: 0 });
    expect(down).toMatchObject({ messageType: 16, carrierDownCount: 2 });
    expect(afterDelete.filter(([type]) => type === 17).map(([, name]) => name)).toEqual(['v0', 'v1']);
    expect(received).toBe(records);
  });

  it('lists all links as rows of the dump that asked, one dump after the other', async () => {
    const { dumps, order, received, rows, known } = await scenario<Record<string, unknown>>('dumpRows');
    expect(dumps).toEqual([1, 2, 3]);
    const one = (id: number) => [`row ${id} lo`, `row ${id} v1`, `row ${id} v0`, `done ${id} false null`];
    expect(order).toEqual([1, 2, 3].flatMap(one));
    expect(received).toBe(2);
    expect(rows).toEqual(known);
  });

  it('counts exactly what the kernel dropped, after what it heard, and a dump then has the truth', async () => {
    const seen = await scenario<Record<string, number>>('overflow');
    expect(seen['dropped']).toBeGreaterThan(0);
    expect(seen['heard']! + seen['dropped']!).toBe(3001);
    expect(seen).toMatchObject({ statsDropped: seen['dropped'], mtu: 1400 });
    expect(seen['overflowAt']).toBeGreaterThan(0);
    expect(seen['tinyBytes']).toBeLessThan(10_000);
  });

  it('counts each of many gaps once, and no row of a dump among them', async () => {
    const { heard, dropped, gaps } = await scenario<Record<string, number>>('racingOverflow');
    expect(gaps).toBeGreaterThan(0);
    expect(heard! + dropped!).toBe(30_000);
  });

  it('keeps no more than the queue limit and goes on, without loss and in order, when the queue is read', async () => {
    expect(await scenario('fullQueue')).toEqual({ first: 10, waiting: 40, ordered: true, dropped: 0 });
  });

  it('loses nothing of a burst that comes while the main thread is busy, and announces it few times', async () => {
    const seen = await scenario<{ dropped: number; wakeups: number; forced: boolean }>('burst');
    expect(seen.wakeups).toBeLessThan(10);
    // Without capabilities the buffer is bounded, and a loss there is counted.
    if (seen.forced) expect(seen.dropped).toBe(0);
  });

  it('ends its thread when closed, and lets the process end', async () => {
    const seen = await scenario<{ threads: number[]; records: number; stats: NetlinkStats; dump: unknown }>('closing');
    expect(seen).toMatchObject({ threads: [1, 0], records: 0, stats: { queued: 0 } });
    expect(seen.dump).toMatchObject({ name: 'NativeError', code: 'EBADF', errno: 9, syscall: 'sendto' });
  });

  it('keeps the process alive while open', async () => {
    expect(await scenario('keepsAlive')).toEqual({ heard: true });
  });

  it('gives names with shell, terminal and non-UTF-8 characters as data', async () => {
    expect(await scenario('hostileNames')).toMatchObject({ missing: [], replaced: true });
  });

  it('lives twice in one process, two readers at a time, and releases every descriptor', async () => {
    expect(await scenario('twoLives')).toEqual([1, 4, 1, 4]);
  });

  it('takes over an open socket, and refuses and leaves open what is none', async () => {
    const seen = await scenario<Record<string, unknown>>('handedIn');
    expect(seen).toMatchObject({ rows: 3, closed: 'EBADF', kept: {}, negative: { name: 'TypeError' } });
    expect(seen['refused']).toMatchObject({ name: 'NativeError', code: 'ENOTSOCK', syscall: 'getsockopt' });
  });

  const python = spawnSync('python3', ['-V']).status === 0;
  it.skipIf(!python)('counts and ignores a message that no kernel sent', async () => {
    expect(await scenario('impostor')).toEqual({ deleted: 0 });
  });

  it('works in a worker thread, and leaves nothing behind when that is terminated', async () => {
    expect(await scenario('worker')).toEqual(['link', 'dump-done']);
  });

  it('turns a throwing callback into an uncaught exception, and announces the next records', async () => {
    expect(await scenario('throwingCallback')).toEqual({ caught: ['from the callback'] });
  });

  const setpriv = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
  const droppable = spawnSync(setpriv[0]!, [...setpriv.slice(1), 'true']).status === 0;
  it.skipIf(!droppable)('says when the kernel bounded its buffer', async () => {
    const allowed = Number(execFileSync('sysctl', ['-n', 'net.core.rmem_max'], { encoding: 'utf8' }));
    const seen = await scenario<NetlinkStats>('unforced', { prefix: setpriv });
    expect(seen).toEqual({ receiveBufferForced: false, receiveBufferBytes: 2 * Math.min(allowed, 32 * 1024 * 1024) });
  });
});

describe('the native folder without its binary', () => {
  it('is imported all the same, and the first call names what is missing and the remedy', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trotline-native-'));
    try {
      const sources = readdirSync(NATIVE).filter((name) => name.endsWith('.ts'));
      for (const name of sources) cpSync(join(NATIVE, name), join(folder, name));
      const script = `
        const native = await import(${JSON.stringify(join(folder, 'index.ts'))});
        try { native.loadAddon(); } catch ({ code, path, message }) { console.log(JSON.stringify({ code, path, message })); }`;
      const answer = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
      const { code, path, message }: Record<string, string> = JSON.parse(answer);
      expect(code).toBe('NATIVE_UNAVAILABLE');
      expect(path).toBe(join(folder, 'build/Release/trotline.node'));
      expect(message).toMatch(/not built: .*trotline\.node; install g\+\+, make and Python 3, then run "npm rebuild"/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** What `netlink-reader.test.ts` runs in a network namespace: `netlink-scenarios.ts NAME`, the result as one JSON line. */
import { execFile, execFileSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { openNetlinkReader, openNetlinkSocket } from '#native';
import type { LinkRecord, NetlinkReader, NetlinkReaderOptions, NetlinkRecord } from '#native';
import { eventually } from '../kit/eventually.ts';
import { addVeth, ip } from '../kit/netns.ts';

const PRODUCER = fileURLToPath(new URL('../../native/build/Release/link-producer', import.meta.url));
const IFF_UP = 1;
const NEW = 16;
const GONE = 17;

class Listener {
  readonly records: NetlinkRecord[] = [];
  readonly reader: NetlinkReader;
  wakeups = 0;

  constructor(options: Partial<NetlinkReaderOptions> = {}) {
    this.reader = openNetlinkReader({
      fd: null,
      opener: null,
      families: ['link'],
      receiveBufferBytes: 32 * 1024 * 1024,
      queueLimit: 65_536,
      onReadable: () => {
        this.wakeups += 1;
        this.take();
      },
      ...options,
    });
  }

  take(): void {
    for (;;) {
      const some = this.reader.read(1000);
      this.records.push(...some);
      if (some.length < 1000) return;
    }
  }

  links(): LinkRecord[] {
    return this.records.filter((record) => record.kind === 'link');
  }

  notifications(): number {
    return this.links().filter((link) => link.dump === null).length;
  }

  dropped(): number {
    return this.records.reduce((sum, record) => sum + (record.kind === 'overflow' ? record.dropped : 0), 0);
  }

  /** The rows of a dump of its own. */
  async dumped(): Promise<LinkRecord[]> {
    const dump = this.reader.dump(-1);
    await eventually(() => this.records.some((record) => record.kind === 'dump-done' && record.dump === dump));
    return this.links().filter((link) => link.dump === dump);
  }
}

function produce(name: string, count: number): void {
  execFileSync(PRODUCER, [name, String(count)]);
}

function threads(): number {
  return readdirSync('/proc/self/task').length;
}

function thrown(call: () => unknown): Record<string, unknown> {
  try {
    call();
  } catch (error) {
    return error instanceof Error ? { message: error.message, ...describe(error) } : { error };
  }
  return {};
}

function describe(error: Error): Record<string, unknown> {
  const { name, code, errno, syscall } = error as Error & Record<string, unknown>;
  return { name, code, errno, syscall };
}

async function lifeOfALink(): Promise<unknown> {
  const listener = new Listener();
  const last = (name: string) => listener.links().findLast((link) => link.ifname === name);
  addVeth('v0', 'v1');
  const added = await eventually(() => last('v0') ?? false);
  ip('link', 'set', 'v0', 'address', '02:00:5e:10:00:ff', 'alias', 'uplink', 'mtu', '1300');
  // An alias makes no message of its own: it stands in the next one.
  await eventually(() => last('v0')?.mtu === 1300);
  ip('link', 'set', 'v0', 'up');
  await eventually(() => ((last('v0')?.flags ?? 0) & IFF_UP) === 1);
  ip('link', 'set', 'v1', 'up');
  const carrier = await eventually(
    () => listener.links().find((link) => link.ifname === 'v0' && link.carrier === 1) ?? false,
  );
  ip('link', 'set', 'v0', 'down');
  const down = await eventually(() => {
    const link = last('v0');
    return link !== undefined && (link.flags & IFF_UP) === 0 && link;
  });
  const beforeDelete = listener.records.length;
  ip('link', 'delete', 'v0');
  await eventually(() => listener.links().filter((link) => link.messageType === GONE).length === 2);
  const afterDelete = listener
    .links()
    .slice(beforeDelete)
    .map((link) => [link.messageType, link.ifname]);
  const { received } = listener.reader.stats();
  listener.reader.close();
  return { added, carrier, down, afterDelete, received, records: listener.records.length };
}

async function dumpRows(): Promise<unknown> {
  const listener = new Listener();
  addVeth('v0', 'v1');
  await eventually(() => listener.links().length >= 2);
  const dumps = [listener.reader.dump(-1), listener.reader.dump(-1), listener.reader.dump(-1)];
  await eventually(() => listener.records.filter((record) => record.kind === 'dump-done').length === 3);
  const order = listener.records.flatMap((record) => {
    if (record.kind === 'dump-done') return [`done ${record.dump} ${record.interrupted} ${record.errno}`];
    return record.kind === 'link' && record.dump !== null ? [`row ${record.dump} ${record.ifname}`] : [];
  });
  const { received } = listener.reader.stats();
  listener.reader.close();
  const known: { ifname: string; address: string; mtu: number }[] = JSON.parse(ip('-j', 'link', 'show'));
  const rows = listener
    .links()
    .filter((link) => link.dump === 1)
    .map(({ ifname, address, mtu }) => ({ ifname, address, mtu }));
  return { dumps, order, received, rows, known: known.map(({ ifname, address, mtu }) => ({ ifname, address, mtu })) };
}

/** The main thread is busy while the links change, so the queue of one record stays full and the kernel has to drop. */
async function overflow(): Promise<unknown> {
  addVeth('v0', 'v1');
  const tiny = new Listener({ receiveBufferBytes: 1, queueLimit: 1 });
  produce('v0', 3001);
  await eventually(() => tiny.links().length + tiny.dropped() === 3001);
  const overflowAt = tiny.records.findIndex((record) => record.kind === 'overflow');
  const heard = tiny.links().length;
  const rows = await tiny.dumped();
  const result = {
    heard,
    dropped: tiny.dropped(),
    overflowAt,
    mtu: rows.find((link) => link.ifname === 'v0')?.mtu,
    statsDropped: tiny.reader.stats().dropped,
    tinyBytes: tiny.reader.stats().receiveBufferBytes,
  };
  tiny.reader.close();
  return result;
}

/** Reader, changes and dumps race: many gaps, each of which must be counted once. */
async function racingOverflow(): Promise<unknown> {
  addVeth('v0', 'v1');
  const tiny = new Listener({ receiveBufferBytes: 1 });
  const produced = promisify(execFile)(PRODUCER, ['v0', '30000']);
  for (let dump = 0; dump < 20; dump += 1) await tiny.dumped();
  await produced;
  await eventually(() => tiny.notifications() + tiny.dropped() === 30_000);
  const gaps = tiny.records.filter((record) => record.kind === 'overflow').length;
  tiny.reader.close();
  return { heard: tiny.notifications(), dropped: tiny.dropped(), gaps };
}

async function fullQueue(): Promise<unknown> {
  addVeth('v0', 'v1');
  const listener = new Listener({ queueLimit: 50, onReadable: () => undefined });
  // What waits in the kernel fits into the buffer of a process without capabilities.
  produce('v0', 150);
  await eventually(() => listener.reader.stats().queued === 50);
  const first = listener.reader.read(10);
  const waiting = listener.reader.stats().queued;
  await eventually(() => {
    listener.take();
    return listener.links().length === 140;
  });
  const mtus = [...first, ...listener.records].map((record) => (record.kind === 'link' ? record.mtu : null));
  const ordered = mtus.every((mtu, index) => mtu === (index % 2 === 0 ? 1400 : 1401));
  listener.reader.close();
  return { first: first.length, waiting, ordered, dropped: listener.dropped() };
}

async function burst(): Promise<unknown> {
  addVeth('v0', 'v1');
  const listener = new Listener();
  produce('v0', 50_000);
  await eventually(() => listener.links().length + listener.dropped() === 50_000, { timeoutMs: 20_000 });
  const forced = listener.reader.stats().receiveBufferForced;
  listener.reader.close();
  return { heard: listener.links().length, dropped: listener.dropped(), wakeups: listener.wakeups, forced };
}

async function closing(): Promise<unknown> {
  addVeth('v0', 'v1');
  const before = threads();
  const listener = new Listener();
  const open = threads();
  await listener.dumped();
  listener.reader.close();
  const after = threads();
  listener.reader.close();
  ip('link', 'set', 'v0', 'up');
  const stats = listener.reader.stats();
  const records = listener.reader.read(10).length;
  return { threads: [open - before, after - before], records, stats, dump: thrown(() => listener.reader.dump(-1)) };
}

/** The timer does not keep the process alive, so it fires only because the open reader does. */
function keepsAlive(): Promise<unknown> {
  return new Promise((resolve) => {
    const listener: NetlinkReader = openNetlinkReader({
      fd: null,
      opener: null,
      families: ['link'],
      receiveBufferBytes: 65_536,
      queueLimit: 10,
      onReadable: () => {
        listener.close();
        resolve({ heard: true });
      },
    });
    setTimeout(() => addVeth('v0', 'v1'), 50).unref();
  });
}

async function hostileNames(): Promise<unknown> {
  const listener = new Listener();
  const names = ['$(id)', 'a;reboot', '\u001b[31m', '`x`|y', '\'"\\', '../..'.replaceAll('/', '\\'), 'väth'];
  for (const name of names) addVeth(name, `p${names.indexOf(name)}`);
  execFileSync('sh', ['-c', String.raw`ip link add name "$(printf 'b\377d')" type veth peer name p9`]);
  const heard = () => new Set(listener.links().map((link) => link.ifname));
  await eventually(() => heard().size === 2 * names.length + 2);
  listener.reader.close();
  return { names, missing: names.filter((name) => !heard().has(name)), replaced: heard().has('b\uFFFDd') };
}

async function twoLives(): Promise<unknown> {
  addVeth('v0', 'v1');
  const lives: number[] = [];
  for (const life of [1, 2]) {
    const one = new Listener();
    const other = new Listener();
    const descriptors = readdirSync('/proc/self/fd').length;
    ip('link', 'set', 'v0', 'mtu', String(1300 + life));
    await eventually(() => [one, other].every((listener) => listener.links().some((link) => link.mtu === 1300 + life)));
    lives.push(one.links().filter((link) => link.messageType === NEW).length);
    one.reader.close();
    other.reader.close();
    lives.push(descriptors - readdirSync('/proc/self/fd').length);
  }
  return lives;
}

async function handedIn(): Promise<unknown> {
  const fd = openNetlinkSocket();
  const listener = new Listener({ fd });
  addVeth('v0', 'v1');
  await eventually(() => listener.links().length >= 2);
  const rows = await listener.dumped();
  listener.reader.close();
  const closed = thrown(() => fstatSync(fd));
  const file = openSync('/dev/null', 'r');
  const refused = thrown(() => new Listener({ fd: file }));
  const kept = thrown(() => fstatSync(file));
  closeSync(file);
  return { rows: rows.length, closed: closed['code'], refused, kept, negative: thrown(() => new Listener({ fd: -1 })) };
}

/** Node's first netlink socket has the process id as its address; anybody with capabilities may write to it. */
async function impostor(): Promise<unknown> {
  const listener = new Listener();
  const portId = listeningPort();
  const program = `
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.sendto(struct.pack('=IHHII', 32, 17, 0, 0, 0) + struct.pack('=BxHiII', 0, 1, 1, 0, 0), (${portId}, 0))`;
  execFileSync('python3', ['-c', program]);
  await eventually(() => listener.reader.stats().ignored === 1);
  listener.reader.close();
  return { deleted: listener.links().filter((link) => link.messageType === GONE).length };
}

/** The address of the only socket in this namespace that listens to a group. */
function listeningPort(): string {
  const sockets = readFileSync('/proc/net/netlink', 'utf8').trim().split('\n').slice(1);
  const listening = sockets.map((line) => line.trim().split(/\s+/)).find(([, , , groups]) => groups !== '00000000');
  return listening?.[2] ?? '';
}

/** A worker that ends without closing must leave no thread behind. */
async function worker(): Promise<unknown> {
  const before = threads();
  const source = `
    import { parentPort } from 'node:worker_threads';
    const { openNetlinkReader } = await import(${JSON.stringify(new URL('../../native/index.ts', import.meta.url))});
    const reader = openNetlinkReader({ fd: null, opener: null, families: ['link'], receiveBufferBytes: 65536, queueLimit: 10,
      onReadable: () => parentPort.postMessage(reader.read(10).map((record) => record.kind)) });
    reader.dump(-1);`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { stderr: false });
  const kinds = await new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  await thread.terminate();
  await eventually(() => threads() === before);
  return kinds;
}

/** What the callback throws is an uncaught exception of its own, and the next records are announced all the same. */
async function throwingCallback(): Promise<unknown> {
  const caught: string[] = [];
  process.on('uncaughtException', (error) => caught.push(error.message));
  const reader = openNetlinkReader({
    fd: null,
    opener: null,
    families: ['link'],
    receiveBufferBytes: 65_536,
    queueLimit: 10,
    onReadable: () => {
      reader.read(10);
      throw new Error('from the callback');
    },
  });
  reader.dump(-1);
  await eventually(() => caught.length > 0);
  const seen = caught.length;
  reader.dump(-1);
  await eventually(() => caught.length > seen);
  reader.close();
  return { caught: [...new Set(caught)] };
}

function unforced(): unknown {
  const listener = new Listener();
  const { receiveBufferBytes, receiveBufferForced } = listener.reader.stats();
  listener.reader.close();
  return { receiveBufferBytes, receiveBufferForced };
}

const SCENARIOS: Readonly<Record<string, () => unknown>> = {
  lifeOfALink,
  dumpRows,
  overflow,
  racingOverflow,
  fullQueue,
  burst,
  closing,
  keepsAlive,
  hostileNames,
  twoLives,
  handedIn,
  impostor,
  worker,
  throwingCallback,
  unforced,
};

const scenario = SCENARIOS[process.argv[2] ?? ''];
if (scenario === undefined) throw new Error(`no such scenario: ${process.argv[2]}`);
console.log(JSON.stringify(await scenario()));

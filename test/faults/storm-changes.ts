/** Network namespaces in which everything changes all the time, at a steady rate. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

import { ip } from '../kit/netns.ts';

const run = promisify(execFile);
const TICK_MS = 50;
/** An extra namespace comes or goes so often. */
const NAMESPACE_MS = 1000;

export class Storm {
  readonly #places: readonly Place[];
  readonly #perTick: number;
  #timer: NodeJS.Timeout | null = null;
  #due = 0;
  #extra: Promise<unknown> = Promise.resolve();
  #ending = false;

  /** Makes the namespaces `storm0` and so on. */
  constructor(namespaces: number, changesPerSecond: number) {
    this.#perTick = ((changesPerSecond / namespaces) * TICK_MS) / 1000;
    this.#places = Array.from({ length: namespaces }, (_, index) => new Place(`storm${index}`));
  }

  /** Changes that `ip` was given and has not refused. */
  get changes(): number {
    return this.#places.reduce((sum, { changes }) => sum + changes, 0);
  }

  begin(): void {
    const startedAt = performance.now();
    let given = 0;
    this.#timer = setInterval(() => {
      this.#due = ((performance.now() - startedAt) / TICK_MS) * this.#perTick;
      const count = Math.floor(this.#due) - given;
      given += count;
      for (const place of this.#places) place.change(count);
    }, TICK_MS);
    this.#extra = this.#comeAndGo();
  }

  /** Resolves once everything that was asked for is done. */
  async end(): Promise<void> {
    this.#ending = true;
    if (this.#timer) clearInterval(this.#timer);
    await Promise.all([this.#extra, ...this.#places.map((place) => place.end())]);
  }

  async #comeAndGo(): Promise<void> {
    for (let number = 0; !this.#ending; number++) {
      const name = `extra${number}`;
      await run('ip', ['netns', 'add', name]);
      await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
      await new Promise((resolve) => setTimeout(resolve, NAMESPACE_MS));
      await run('ip', ['netns', 'del', name]);
    }
  }
}

/** One namespace, and the `ip` that changes it. */
class Place {
  readonly #ip: ChildProcess;
  #refused = 0;
  #given = 0;
  #waiting: string[] = [];
  #turn = 0;

  constructor(name: string) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    this.#ip = spawn('ip', ['-n', name, '-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    this.#ip.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.#refused += text.split('Command failed').length - 1));
  }

  get changes(): number {
    return this.#given - this.#refused;
  }

  change(count: number): void {
    while (this.#waiting.length < count) this.#waiting.push(...changesOf(this.#turn++));
    this.#ip.stdin?.write(
      this.#waiting
        .splice(0, count)
        .map((line) => `${line}\n`)
        .join(''),
    );
    this.#given += count;
  }

  async end(): Promise<void> {
    const gone = once(this.#ip, 'exit');
    this.#ip.stdin?.end();
    await gone;
  }
}

/** A pair of links is made, used and, three turns later, deleted; on some turns a link flaps. */
function changesOf(turn: number): string[] {
  const id = turn % 4;
  // Never twice the same: ip remembers which number a name had.
  const [va, vb] = [`va${turn}`, `vb${turn}`];
  const flaps = turn % 10 === 0 ? ['down', 'up', 'down', 'up', 'down', 'up', 'down', 'up'] : [];
  return [
    `link add ${va} type veth peer name ${vb}`,
    `link set ${va} up`,
    `link set ${vb} up`,
    `addr add 10.${id}.0.1/24 dev ${va}`,
    `addr add 10.${id}.1.1/24 dev ${vb}`,
    `addr add fd00:${id}::1/64 dev ${va} nodad`,
    `route add 10.1${id}.0.0/16 via 10.${id}.0.2`,
    `route replace 10.1${id}.0.0/16 via 10.${id}.0.3`,
    `route add 10.2${id}.0.0/16 nexthop via 10.${id}.0.2 nexthop via 10.${id}.1.2 weight 2`,
    `route add blackhole 10.3${id}.0.0/16`,
    `route add fd1${id}::/32 via fd00:${id}::2`,
    `route append fd1${id}::/32 via fd00:${id}::3`,
    `route del fd1${id}::/32 via fd00:${id}::2`,
    `rule add from 10.4${id}.0.0/16 lookup 10${id} prio ${100 + id}`,
    `rule add to 10.5${id}.0.0/16 fwmark ${id + 1} lookup 10${id} prio ${200 + id}`,
    ...Array.from(
      { length: 8 },
      (_, host) => `neigh replace 10.${id}.0.1${host} lladdr 02:00:00:00:0${id}:0${host} dev ${va}`,
    ),
    ...Array.from(
      { length: 4 },
      (_, host) => `neigh replace 10.${id}.0.1${host} lladdr 02:00:00:00:1${id}:0${host} dev ${va}`,
    ),
    ...Array.from({ length: 4 }, (_, host) => `neigh del 10.${id}.0.1${host} dev ${va}`),
    ...flaps.map((state) => `link set ${va} ${state}`),
    `link set ${va} mtu ${1400 + (turn % 50)}`,
    `link set ${vb} alias turn${turn}`,
    `addr del 10.${id}.1.1/24 dev ${vb}`,
    `route del 10.3${id}.0.0/16`,
    `rule del prio ${100 + id}`,
    `rule del prio ${200 + id}`,
    ...(turn >= 3 ? [`link del va${turn - 3}`] : []),
  ];
}

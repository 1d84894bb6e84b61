/** A way to a server on loopback that can be cut without a word, as a firewall that forgot the connection does. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class SilentRelay {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      near.pipe(far).pipe(near);
      for (const socket of pair)
        socket
          .on('error', () => undefined)
          .on('close', () => {
            for (const each of pair) each.destroy();
            this.#pairs.delete(pair);
          });
    });
  }

  /** To this port. */
  static async to(port: number): Promise<SilentRelay> {
    const relay = new SilentRelay(port);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on nothing passes on the connections that there are, which stay open at both ends; new ones work. Returns how many. */
  drop(): number {
    for (const [near, far] of this.#pairs) {
      near.unpipe(far);
      far.unpipe(near);
      for (const socket of [near, far]) socket.on('data', () => undefined).resume();
    }
    return this.#pairs.size;
  }

  async stop(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

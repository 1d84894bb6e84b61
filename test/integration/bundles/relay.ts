/** An HTTP server before a registry that writes down what is asked for, and misbehaves as a test wants. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

import type { Certificate } from '../../kit/certificates.ts';

export interface Passed {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Answers by itself (true), or leaves it to the relay. */
export type Twist = (
  request: IncomingMessage,
  response: ServerResponse,
  pass: () => Promise<Passed>,
) => Promise<boolean>;

export class Relay implements AsyncDisposable {
  readonly asked: { readonly path: string; readonly headers: IncomingMessage['headers'] }[] = [];
  twist: Twist = async () => false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(host: string, certificate?: Certificate): Promise<Relay> {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      relay.#answer(host, request, response).catch(() => response.destroy());
    };
    const server = certificate
      ? createTlsServer({ cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) }, answer)
      : createServer(answer);
    const relay = new Relay(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often something whose path has this in it was asked for. */
  count(part: string): number {
    return this.asked.filter(({ path }) => path.includes(part)).length;
  }

  async #answer(host: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', headers } = request;
    this.asked.push({ path: url, headers });
    const pass = async (): Promise<Passed> => {
      const sent = Object.entries(headers).filter(([name]) => ['accept', 'range', 'authorization'].includes(name));
      const got = await fetch(`http://${host}${url}`, {
        headers: sent.map(([name, value]): [string, string] => [name, String(value)]),
        redirect: 'manual',
      });
      return { status: got.status, headers: got.headers, body: Buffer.from(await got.arrayBuffer()) };
    };
    if (await this.twist(request, response, pass)) return;
    const { status, headers: got, body } = await pass();
    response.writeHead(status, [...got].flat());
    response.end(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

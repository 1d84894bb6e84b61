/** What Kubernetes and Prometheus ask a process over HTTP: is it alive, is it ready, and its metrics. */
import type { Server } from 'node:http';

import { AppError, errorText } from './errors.ts';
import type { Component } from './lifecycle.ts';
import type { Log } from './log.ts';

/** The form of an address to listen on: `host:port`, or `:port` for every address. */
export const LISTEN_ADDRESS = '^([^:\\s]*|\\[[0-9a-fA-F:]+\\]):\\d{1,5}$';

export interface ProbesOptions {
  /** As `LISTEN_ADDRESS`: `host:port`; `:8081` for every address, `[::1]:8081`; port 0: any free one. */
  readonly listen: string;
  /** Why nothing should be sent to it; null: it is ready. */
  readonly notReady: () => string | null;
  /** In Prometheus' text format, version 0.0.4. */
  readonly metrics: () => string;
  readonly log: Log;
}

const TEXT = 'text/plain; charset=utf-8';
const METRICS = 'text/plain; version=0.0.4; charset=utf-8';

/** `/healthz` and `/livez` (an answer is the proof of life), `/readyz`, `/metrics`, for everybody who reaches the address: nothing in them is secret. */
export class Probes implements Component {
  readonly #options: ProbesOptions;
  #server: Server | null = null;

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** 0 before the start. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** The HTTP server is loaded here: a process without probes does not pay for it. */
  async start(): Promise<void> {
    const { createServer } = await import('node:http');
    const { host, port } = listenPlace(this.#options.listen);
    const server = createServer((request, response) => {
      const { status, type, text } = this.#answer(request.method ?? '', request.url ?? '');
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error): void =>
        reject(new AppError('STATE_ILLEGAL', `probes cannot listen on ${this.#options.listen}: ${cause.message}`));
      server.once('error', fail).listen(port, host, resolve);
    });
    server.removeAllListeners('error').on('error', (error) => this.#options.log.warn({ error }, 'probes'));
    this.#options.log.info({ listen: this.#options.listen, port: this.port }, 'probes listening');
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  #answer(method: string, url: string): { status: number; type: string; text: string } {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: TEXT, text: 'expected GET\n' };
    const { notReady, metrics } = this.#options;
    switch (url.split('?', 1)[0]) {
      case '/healthz':
      case '/livez':
        return said(null);
      case '/readyz':
        return said(notReady());
      case '/metrics':
        try {
          return { status: 200, type: METRICS, text: metrics() };
        } catch (error) {
          return { status: 500, type: TEXT, text: `${errorText(error)}\n` };
        }
      default:
        return { status: 404, type: TEXT, text: 'expected /healthz, /livez, /readyz or /metrics\n' };
    }
  }
}

function said(problem: string | null): { status: number; type: string; text: string } {
  return problem === null
    ? { status: 200, type: TEXT, text: 'ok\n' }
    : { status: 503, type: TEXT, text: `${problem}\n` };
}

/** Host and port of a `LISTEN_ADDRESS`; host undefined: every address. */
export function listenPlace(listen: string): { host: string | undefined; port: number } {
  const at = listen.lastIndexOf(':');
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '');
  return { host: host === '' ? undefined : host, port: Number(listen.slice(at + 1)) };
}

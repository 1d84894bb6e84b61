/** HTTP to registries: TLS, redirects that take no credentials along, time limits. Node's own client: it is there anyway. */
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { createSecureContext, rootCertificates } from 'node:tls';

import { abortReason, AppError, type Clock, errorText, isObject } from '#core';

import type { BundleLimits } from './limits.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface TransportOptions {
  /** PEM beside the well-known authorities. */
  readonly ca: string | undefined;
  readonly insecure: readonly string[];
  readonly limits: BundleLimits;
  readonly clock: Clock;
}

export interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #https: HttpsAgent;
  readonly #http = new HttpAgent({ keepAlive: true });
  /** Loopback hosts that turned out to speak plain HTTP. */
  readonly #plain = new Set<string>();

  constructor(options: TransportOptions) {
    this.#options = options;
    const { ca } = options;
    this.#https = new HttpsAgent({
      keepAlive: true,
      // Networks whose way out is a proxy; loopback never goes there.
      proxyEnv: { ...process.env, NO_PROXY: withLoopback(process.env.NO_PROXY ?? process.env.no_proxy ?? '') },
      // Read once, not for each connection.
      ...(ca === undefined ? {} : { secureContext: createSecureContext({ ca: [...rootCertificates, ca] }) }),
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /** The address of a registry: TLS, but for hosts that are named as insecure and for loopback where nothing else is spoken. */
  baseOf(host: string): URL {
    const plain = this.#mayBePlain(host) && (this.#plain.has(host) || this.#options.insecure.includes(host));
    return new URL(`${plain ? 'http' : 'https'}://${host}`);
  }

  /**
   * A GET whose answer's head has come; redirects are followed. Rejects with PEER_UNAVAILABLE when nothing answered in time, with
   * POLICY_REFUSED for plain HTTP where it is not allowed, with the signal's reason when that aborts.
   */
  async get(url: URL, { headers, signal }: Sent): Promise<IncomingMessage> {
    let at = url;
    let sent = headers;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      this.#check(at, url);
      const response = await this.#once(at, sent, signal);
      const { location } = response.headers;
      if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined) return response;
      response.destroy();
      if (!URL.canParse(location, at.href)) throw unreached(at, 'it redirects to what is no address');
      const next = new URL(location, at);
      // What is for the registry is not for whoever it sends us to.
      if (next.origin !== at.origin) sent = withoutAuthorization(sent);
      at = next;
    }
    throw unreached(url, `more than ${MAX_REDIRECTS} redirects`);
  }

  /** Plain HTTP only where it was allowed, and never after TLS. */
  #check(url: URL, first: URL): void {
    const ok =
      url.protocol === 'https:' ||
      (url.protocol === 'http:' && first.protocol === 'http:' && this.#mayBePlain(url.host));
    if (!ok)
      throw new AppError(
        'POLICY_REFUSED',
        `${url.protocol}//${url.host} is asked for without TLS, expected https or a host that is named as insecure`,
      );
  }

  async #once(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#send(url, headers, signal);
    } catch (error) {
      const { host } = url;
      if (!(url.protocol === 'https:' && isLoopback(host) && speaksPlain(error))) throw error;
      this.#plain.add(host);
      return this.#send(new URL(url.pathname + url.search, this.baseOf(host)), headers, signal);
    }
  }

  #send(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    const { limits, clock } = this.#options;
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal));
        return;
      }
      const request = (secure ? httpsRequest : httpRequest)(url, {
        agent: secure ? this.#https : this.#http,
        headers: { 'user-agent': 'trotline', ...headers },
        signal,
      });
      const late = clock.after(limits.answerMs, () => request.destroy(new Error(`no answer in ${limits.answerMs} ms`)));
      request.once('response', (response) => {
        late();
        // Errors of the body are whoever reads it told of.
        response.on('error', () => undefined);
        resolve(response);
      });
      request.once('error', (error) => {
        late();
        reject(signal.aborted ? abortReason(signal) : unreached(url, errorText(error), error));
      });
      request.end();
    });
  }

  #mayBePlain(host: string): boolean {
    return isLoopback(host) || this.#options.insecure.includes(host) || this.#options.insecure.includes(hostname(host));
  }
}

/** An answer's body, bounded. Rejects with PEER_UNAVAILABLE when it does not end in time, with MESSAGE_INVALID when it is too long. */
export async function bodyOf(response: IncomingMessage, limits: BundleLimits, clock: Clock): Promise<Buffer> {
  const late = clock.after(limits.answerMs, () => response.destroy(new Error(`no answer in ${limits.answerMs} ms`)));
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(response)) {
      bytes += chunk.length;
      if (bytes > limits.answerBytes)
        throw new AppError('MESSAGE_INVALID', `the registry's answer is longer than ${limits.answerBytes} bytes`);
      chunks.push(chunk);
    }
  } finally {
    late();
    response.destroy();
  }
  return Buffer.concat(chunks);
}

/** The chunks of a body. Rejects with PEER_UNAVAILABLE when it breaks off. */
export async function* chunksOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) if (Buffer.isBuffer(chunk)) yield chunk;
  } catch (error) {
    throw new AppError('PEER_UNAVAILABLE', `the registry's answer broke off: ${errorText(error)}`, { cause: error });
  }
}

export function isLoopback(host: string): boolean {
  const name = hostname(host);
  if (name === 'localhost') return true;
  const family = isIP(name);
  return family !== 0 && LOOPBACK.check(name, family === 6 ? 'ipv6' : 'ipv4');
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Without port and brackets. */
function hostname(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

function withLoopback(noProxy: string): string {
  return ['localhost', '127.0.0.1', '[::1]', ...noProxy.split(',').filter(Boolean)].join(',');
}

function withoutAuthorization(headers: Sent['headers']): Sent['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
}

/** What OpenSSL says when the other end does not speak TLS. */
function speaksPlain(error: unknown): boolean {
  const { cause } = error instanceof AppError ? error : { cause: error };
  return (
    isObject(cause) &&
    ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'].includes(String(cause.code))
  );
}

function unreached({ host }: URL, why: string, cause?: unknown): AppError {
  return new AppError('PEER_UNAVAILABLE', `${host} not reached: ${why}`, { cause });
}

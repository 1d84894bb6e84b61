/** One repository of a registry: manifests and blobs, each checked against its digest (distribution spec v2, pull). */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { AppError, type Clock, type ImageReference, imageRepository } from '#core';

import { authorize } from './authorization.ts';
import type { BundleLimits } from './limits.ts';
import { type Descriptor, MANIFEST_TYPES } from './manifest.ts';
import type { Credentials } from './settings.ts';
import { bodyOf, chunksOf, type Transport } from './transport.ts';

/** Where the public hub's registry really is. */
const HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };
const MAX_RETRY_AFTER_MS = 30_000;

export interface RegistryOptions {
  readonly reference: ImageReference;
  readonly transport: Transport;
  readonly credentials: Credentials | null;
  readonly limits: BundleLimits;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface FetchedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly text: string;
}

export class Registry {
  readonly #options: RegistryOptions;
  #authorization: string | null = null;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** By tag or digest. Throws NOT_FOUND, POLICY_REFUSED (not allowed to us), PEER_UNAVAILABLE (also for what is not what its digest says). */
  async manifest(tagOrDigest: string): Promise<FetchedManifest> {
    return this.#trying(async () => {
      const response = await this.#get(`manifests/${tagOrDigest}`, { accept: MANIFEST_TYPES });
      const body = await this.#body(response);
      const digest = sha256(body);
      const said = response.headers['docker-content-digest'];
      const wanted = tagOrDigest.startsWith('sha256:') ? tagOrDigest : said;
      if (typeof wanted === 'string' && wanted.startsWith('sha256:') && wanted !== digest)
        throw wrong(`the manifest ${tagOrDigest}`, digest, wanted);
      return { digest, mediaType: response.headers['content-type'] ?? '', text: body.toString() };
    });
  }

  /** A small blob. Throws as `manifest`. */
  async small({ digest, size }: Descriptor): Promise<string> {
    const { limits } = this.#options;
    if (size > limits.answerBytes)
      throw new AppError('MESSAGE_INVALID', `${digest} has ${size} bytes, at most ${limits.answerBytes} are read`);
    return this.#trying(async () => {
      const body = await this.#body(await this.#get(`blobs/${digest}`, {}));
      if (sha256(body) !== digest) throw wrong('the configuration', sha256(body), digest);
      return body.toString();
    });
  }

  /**
   * The bytes of a blob as they come, gone on with where the connection broke; it ends only when all of them were there and are
   * what the digest says. Throws as `manifest`.
   */
  async *blob({ digest, size }: Descriptor): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let offset = 0;
    for (let tries = 1; ; tries++) {
      try {
        for await (const chunk of this.#rest(digest, offset)) {
          offset += chunk.length;
          if (offset > size)
            throw new AppError('MESSAGE_INVALID', `${digest} is longer than the ${size} bytes it should have`);
          hash.update(chunk);
          yield chunk;
        }
        if (offset < size) throw new AppError('PEER_UNAVAILABLE', `${digest} ended after ${offset} of ${size} bytes`);
        break;
      } catch (error) {
        await this.#pauseAfter(error, tries);
      }
    }
    const got = `sha256:${hash.digest('hex')}`;
    if (got !== digest) throw wrong('a layer', got, digest);
  }

  /** From this byte on. */
  async *#rest(digest: string, offset: number): AsyncGenerator<Buffer> {
    const response = await this.#get(`blobs/${digest}`, offset === 0 ? {} : { range: `bytes=${offset}-` });
    const start =
      response.statusCode === 206 ? Number(/^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]) : 0;
    if (!(start <= offset)) throw new AppError('PEER_UNAVAILABLE', `${digest} goes on at another byte than asked for`);
    let skip = offset - start;
    try {
      for await (const chunk of this.#fast(response)) {
        if (skip < chunk.length) yield chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.length);
      }
    } finally {
      response.destroy();
    }
  }

  /** Gives up on one that hardly moves. Only waiting for it counts, not what the reader takes. */
  async *#fast(response: IncomingMessage): AsyncGenerator<Buffer> {
    const { clock, limits } = this.#options;
    const chunks = chunksOf(response);
    let waitedMs = 0;
    let bytes = 0;
    for (;;) {
      const since = clock.monotonic();
      const stalled = clock.after(Math.max(1, limits.stallMs - waitedMs), () => {
        if (bytes < limits.stallBytes)
          response.destroy(new Error(`fewer than ${limits.stallBytes} bytes in ${limits.stallMs} ms`));
      });
      const { value, done } = await chunks.next().finally(stalled);
      if (done === true) return;
      waitedMs += clock.monotonic() - since;
      bytes += value.length;
      if (bytes >= limits.stallBytes) waitedMs = bytes = 0;
      yield value;
    }
  }

  async #get(path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const { reference, transport, signal } = this.#options;
    const host = HOSTS[reference.registry] ?? reference.registry;
    for (let asked = false; ; asked = true) {
      const url = new URL(`/v2/${reference.repository}/${path}`, transport.baseOf(host));
      const own = this.#authorization === null ? {} : { authorization: this.#authorization };
      const response = await transport.get(url, { headers: { ...headers, ...own }, signal });
      const status = response.statusCode ?? 0;
      if (status === 200 || status === 206) return response;
      response.destroy();
      if (status === 401 && !asked) {
        this.#authorization = await this.#authorize(response.headers['www-authenticate'] ?? '');
        continue;
      }
      throw this.#problemOf(response, path);
    }
  }

  #authorize(challenge: string): Promise<string> {
    const { transport, credentials, limits, clock, signal, reference } = this.#options;
    const scope = `repository:${reference.repository}:pull`;
    return authorize(challenge, { transport, credentials, scope, limits, clock }, signal);
  }

  #problemOf({ statusCode = 0, headers }: IncomingMessage, path: string): AppError {
    const { reference, credentials } = this.#options;
    const answered = `the registry answered ${statusCode}`;
    if (statusCode === 404) return new AppError('NOT_FOUND', `${imageRepository(reference)} has no ${path}`);
    if (statusCode === 401 || statusCode === 403) {
      const who = credentials === null ? 'without credentials' : `for ${credentials.user}`;
      return new AppError('POLICY_REFUSED', `${answered} ${who}`);
    }
    if (statusCode === 429 || statusCode === 408 || statusCode >= 500)
      return new AppError('PEER_UNAVAILABLE', answered, {
        details: { afterMs: Number(headers['retry-after']) * 1000 },
      });
    return new AppError('MESSAGE_INVALID', answered);
  }

  #body(response: IncomingMessage): Promise<Buffer> {
    return bodyOf(response, this.#options.limits, this.#options.clock);
  }

  async #trying<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        await this.#pauseAfter(error, tries);
      }
    }
  }

  /** Throws the error when another try makes no sense or all are used up. */
  async #pauseAfter(error: unknown, tries: number): Promise<void> {
    const { signal, clock, limits } = this.#options;
    signal.throwIfAborted();
    if (
      !(error instanceof AppError && error.code === 'PEER_UNAVAILABLE') ||
      error.details.final === true ||
      tries >= limits.tries
    )
      throw error;
    const asked = Number(error.details.afterMs);
    const doubled = limits.pauseMs * 2 ** (tries - 1) * (0.5 + Math.random());
    await clock.sleep(asked > 0 ? Math.min(asked, MAX_RETRY_AFTER_MS) : doubled, signal);
  }
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function wrong(what: string, got: string, wanted: string): AppError {
  // Another try in the same minute would get the same.
  return new AppError('PEER_UNAVAILABLE', `${what} is not what its digest says: ${got}, expected ${wanted}`, {
    details: { final: true },
  });
}

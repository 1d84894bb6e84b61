/** The keys that the cluster signs tokens of service accounts with: by the control plane, and on disk for when it is away. */
import { readFile, rename, writeFile } from 'node:fs/promises';

import { type Clock, type ClusterKeySet, errorText, isObject, type Log, textOf } from '#core';
import { KeyServiceClient, type KeysResponse } from '#proto';

import type { Channel } from './channel.ts';
import { CHANNEL_OPTIONS, unary } from './control-link.ts';

/** So old, and they are asked for again beside their use. */
const FRESH_MS = 300_000;
/** A token with a key that is not known makes us ask again, at most so often. */
const AGAIN_MS = 5000;

export class ClusterKeys {
  readonly #service: KeyServiceClient;
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #known: ClusterKeySet | null = null;
  #askedAt = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(channel: Channel, file: string, clock: Clock, log: Log) {
    this.#service = new KeyServiceClient(channel.address, channel.credentials, CHANNEL_OPTIONS);
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
  }

  async start(): Promise<void> {
    this.#known = await readKept(this.#file);
  }

  async stop(): Promise<void> {
    await this.#asking;
    this.#service.close();
  }

  /** Null: none were ever told. `fresh`: those that are known do not do, ask again if that was not just done. */
  readonly get = async (fresh: boolean): Promise<ClusterKeySet | null> => {
    const age = this.#clock.monotonic() - this.#askedAt;
    const isStale = age > (fresh || !this.#known ? AGAIN_MS : FRESH_MS);
    if (isStale) this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    if (fresh || !this.#known) await this.#asking;
    return this.#known;
  };

  /** Keeps what is known where the control plane does not answer. */
  async #ask(): Promise<void> {
    this.#askedAt = this.#clock.monotonic();
    try {
      const { issuer, jwksJson } = await unary<KeysResponse>((...call) => this.#service.keys({}, ...call));
      this.#known = keySet({ issuer, ...jsonOf(jwksJson) });
      if (this.#known) await keep(this.#file, this.#known);
    } catch (error) {
      this.#log.debug({ error: errorText(error) }, 'keys of service accounts not told');
    }
  }
}

function jsonOf(text: string): object {
  const value: unknown = JSON.parse(text);
  return isObject(value) ? value : {};
}

function keySet(value: unknown): ClusterKeySet | null {
  if (!isObject(value) || !Array.isArray(value.keys)) return null;
  const issuer = textOf(value.issuer);
  return issuer === '' ? null : { issuer, keys: value.keys.filter(isObject) };
}

async function readKept(file: string): Promise<ClusterKeySet | null> {
  try {
    return keySet(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

/** Whole or not at all: public keys, so that anybody may read them. */
async function keep(file: string, keys: ClusterKeySet): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(keys));
  await rename(`${file}.new`, file);
}

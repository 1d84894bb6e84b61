/**
 * Unpacked images on disk, by the digest of their manifest: `<folder>/sha256/<digest>/{bundle.json,contents.jsonl,rootfs/}`. A
 * bundle is there whole or not at all: it is made beside and renamed. Several processes may share the folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, checkConfig, type ImageReference, imageText, isObject, type Log, Type } from '#core';
import { type FileLock, tryLockFile } from '#native';

import { BUNDLE_FILE, type BundleFile, readBundle, ROOT, verifyBundle } from './contents.ts';
import { type ImageSource, type PullProgress, withImage } from './image.ts';
import { makeBundle, type MakeOptions, removeTree } from './make.ts';
import { platformText } from './manifest.ts';
import { diskError, syncPath } from './unpack.ts';

const LOCK_RETRY_MS = 50;
/** Other processes say so often that they use a bundle; one that was used since twice as long ago is not removed. */
export const TOUCH_MS = 3_600_000;
const MAX_PINS = 1000;

const Pin = Type.Object({
  version: Type.Literal(1),
  reference: Type.String(),
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
});

export interface CacheOptions extends ImageSource {
  /** Absolute; made when it is missing. */
  readonly folder: string;
  readonly log: Log;
}

export interface Bundle extends BundleFile {
  /** Absolute: the image's root. */
  readonly root: string;
}

export interface ListedBundle extends Bundle {
  /** Wall clock, milliseconds since the epoch. */
  readonly usedMs: number;
}

export interface PullOptions {
  /** Asks the registry what a tag is now, though it was pinned before. */
  readonly refresh?: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
}

export interface SweepOptions {
  readonly unusedMs: number;
  readonly maxBytes: number;
  /** Digests that stay. */
  readonly held: ReadonlySet<string>;
}

export interface Pulled {
  readonly bundle: Bundle;
  /** Whether its layers came from the registry just now. */
  readonly fetched: boolean;
}

export class BundleCache {
  readonly #options: CacheOptions;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  /** Without a word to a registry; null: it is not here. */
  async find(reference: ImageReference): Promise<Bundle | null> {
    const digest = await this.#knownDigest(reference);
    return digest === null ? null : this.#bundle(digest);
  }

  /**
   * From the cache where it is there; from its registry otherwise, once, however many ask. A tag is what it was when it was first
   * asked for. Throws as `Registry.manifest` and `Unpacker.layer`, each with the image's name; rejects with the signal's reason.
   */
  async pull(reference: ImageReference, options: PullOptions): Promise<Pulled> {
    const { limits } = this.#options;
    const limit = AbortSignal.timeout(limits.pullMs);
    const signal = AbortSignal.any([options.signal, limit]);
    try {
      return await this.#pull(reference, { ...options, signal });
    } catch (error) {
      options.signal.throwIfAborted();
      const text = `image ${imageText(reference)}`;
      if (limit.aborted) throw new AppError('PEER_UNAVAILABLE', `${text}: not pulled in ${limits.pullMs} ms`);
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.code, `${text}: ${error.message}`, { cause: error });
    }
  }

  /** Every bundle, the one that was used last first. */
  async list(): Promise<ListedBundle[]> {
    const bundles: ListedBundle[] = [];
    for (const name of await namesIn(this.#folder('sha256'))) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const bundle = await this.#bundle(`sha256:${name}`);
      const seen = await stat(this.#folder('sha256', name, BUNDLE_FILE)).catch(() => null);
      if (bundle && seen) bundles.push({ ...bundle, usedMs: seen.mtimeMs });
    }
    return bundles.sort((a, b) => b.usedMs - a.usedMs);
  }

  /** As `verifyBundle`. */
  verify(digest: string): Promise<string[]> {
    return verifyBundle(this.#folder('sha256', hexOf(digest)));
  }

  /** Says that the bundle is used. */
  async touch(digest: string): Promise<void> {
    const now = this.#options.clock.now() / 1000;
    await utimes(this.#folder('sha256', hexOf(digest), BUNDLE_FILE), now, now).catch(() => undefined);
  }

  /** Removes what is left of interrupted pulls, bundles that were not used for so long, and the least used until the rest fits. */
  async sweep({ unusedMs, maxBytes, held }: SweepOptions): Promise<void> {
    const { clock, log } = this.#options;
    for (const name of await namesIn(this.#folder('sha256'))) {
      const hex = /^\.([0-9a-f]{64})\./.exec(name)?.[1];
      if (hex !== undefined) await this.#whenFree(hex, () => this.#clearLeft(hex));
    }
    let bytes = 0;
    for (const { digest, usedMs, bytes: own, image } of await this.list()) {
      const age = clock.now() - usedMs;
      bytes += own;
      const isUsed = held.has(digest) || age < 2 * TOUCH_MS;
      if (isUsed || (age < unusedMs && bytes <= maxBytes)) continue;
      await this.#whenFree(hexOf(digest), () => this.#discard(hexOf(digest)));
      bytes -= own;
      log.info({ image, digest }, 'unused bundle removed');
    }
    await this.#forgetPins();
  }

  async #pull(reference: ImageReference, options: PullOptions): Promise<Pulled> {
    const isPinned = reference.digest !== null || options.refresh !== true;
    const known = isPinned ? await this.#knownDigest(reference) : null;
    const there = known === null ? null : await this.#bundle(known);
    if (there) return { bundle: there, fetched: false };
    const wanted = known === null ? reference : { ...reference, digest: known };
    return withImage(wanted, this.#options, options.signal, async (image) => {
      const resolved = await image.resolve();
      await this.#prepare();
      using lock = await this.#lock(resolved.digest, options.signal);
      const meanwhile = await this.#bundle(resolved.digest);
      if (!meanwhile && lock.isReal) await this.#clearLeft(hexOf(resolved.digest));
      const { onProgress = () => undefined } = options;
      const bundle = meanwhile ?? (await this.#make({ reference, image, resolved, source: this.#options, onProgress }));
      await this.#pin(reference, resolved.digest, options.refresh === true);
      return { bundle, fetched: meanwhile === null };
    });
  }

  /** Under the lock of its digest. */
  async #make(options: MakeOptions): Promise<Bundle> {
    const { digest } = options.resolved;
    const hex = hexOf(digest);
    const temporary = this.#folder('sha256', `.${hex}.${randomBytes(6).toString('hex')}`);
    try {
      await makeBundle(temporary, options);
      if ((await this.#bundle(digest)) === null) {
        await this.#discard(hex);
        await rename(temporary, this.#folder('sha256', hex));
        await syncPath(this.#folder('sha256'));
      }
    } catch (error) {
      throw isObject(error) && 'syscall' in error ? diskError(error) : error;
    } finally {
      await removeTree(temporary);
    }
    const bundle = await this.#bundle(digest);
    if (bundle) return bundle;
    throw new AppError('STORE_FAILED', 'the bundle is gone right after it was made');
  }

  async #bundle(digest: string): Promise<Bundle | null> {
    const folder = this.#folder('sha256', hexOf(digest));
    const bundle = await readBundle(folder);
    return bundle?.digest === digest ? { ...bundle, root: join(folder, ROOT) } : null;
  }

  /** The manifest that a reference was found to be; null: it was never asked for. */
  async #knownDigest(reference: ImageReference): Promise<string | null> {
    const { digest } = reference;
    if (digest !== null && (await this.#bundle(digest))) return digest;
    try {
      const { value } = checkConfig(Pin, JSON.parse(await readFile(this.#pinFile(reference), 'utf8')));
      return value?.reference === this.#pinName(reference) ? value.digest : null;
    } catch {
      return null;
    }
  }

  /** Remembers what a tag, or an index, is here. The first word counts, unless it is asked anew. */
  async #pin(reference: ImageReference, digest: string, isNew: boolean): Promise<void> {
    if (reference.digest === digest) return;
    const path = this.#pinFile(reference);
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeFile(temporary, JSON.stringify({ version: 1, reference: this.#pinName(reference), digest }), {
        flag: 'wx',
      });
      await syncPath(temporary);
      if (isNew) await rename(temporary, path);
      else
        await link(temporary, path).catch((error: unknown) =>
          hasCode(error, 'EEXIST') ? undefined : Promise.reject(error),
        );
    } catch (error) {
      throw diskError(error);
    } finally {
      await rm(temporary, { force: true });
    }
    this.#options.log.info({ image: imageText(reference), digest }, 'image pinned');
  }

  #pinName(reference: ImageReference): string {
    return `${reference.digest ?? imageText(reference)} ${platformText(this.#options.platform)}`;
  }

  #pinFile(reference: ImageReference): string {
    return this.#folder('pins', createHash('sha256').update(this.#pinName(reference)).digest('hex'));
  }

  /** Of too many the oldest. */
  async #forgetPins(): Promise<void> {
    const names = await namesIn(this.#folder('pins'));
    if (names.length <= MAX_PINS) return;
    const ages = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(this.#folder('pins', name))).mtimeMs })),
    );
    const old = ages.sort((a, b) => b.at - a.at).slice(MAX_PINS);
    await Promise.all(old.map(({ name }) => rm(this.#folder('pins', name), { force: true })));
  }

  async #prepare(): Promise<void> {
    try {
      for (const name of ['sha256', 'pins', 'locks']) await mkdir(this.#folder(name), { recursive: true, mode: 0o755 });
    } catch (error) {
      throw diskError(error);
    }
  }

  /** Waits until no other process pulls the same image. */
  async #lock(digest: string, signal: AbortSignal): Promise<Disposable & { readonly isReal: boolean }> {
    for (;;) {
      const lock = this.#tryLock(hexOf(digest));
      if (lock) return { isReal: lock !== UNLOCKED, [Symbol.dispose]: () => lock.release() };
      await this.#options.clock.sleep(LOCK_RETRY_MS, signal);
    }
  }

  /** Not while another process is at it. */
  async #whenFree(hex: string, work: () => Promise<void>): Promise<void> {
    const lock = this.#tryLock(hex);
    if (!lock || lock === UNLOCKED) return;
    try {
      await work();
    } finally {
      await rm(this.#folder('locks', hex), { force: true });
      lock.release();
    }
  }

  /** Without the native part nothing is locked: then the rename alone lets one of two in, and nothing is cleared. */
  #tryLock(hex: string): Pick<FileLock, 'release'> | null {
    try {
      return tryLockFile(this.#folder('locks', hex));
    } catch (error) {
      if (hasCode(error, 'NATIVE_UNAVAILABLE')) return UNLOCKED;
      throw diskError(error);
    }
  }

  /** What processes left that were killed while they pulled this image. */
  async #clearLeft(hex: string): Promise<void> {
    for (const name of await namesIn(this.#folder('sha256')))
      if (name.startsWith(`.${hex}.`)) await removeTree(this.#folder('sha256', name));
  }

  /** Out of sight first, so that nobody finds half of it. */
  async #discard(hex: string): Promise<void> {
    const gone = this.#folder('sha256', `.${hex}.${randomBytes(6).toString('hex')}`);
    try {
      await rename(this.#folder('sha256', hex), gone);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    await removeTree(gone);
  }

  #folder(...names: string[]): string {
    return join(this.#options.folder, ...names);
  }
}

const UNLOCKED: Pick<FileLock, 'release'> = { release: () => undefined };

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

function hasCode(error: unknown, code: string): boolean {
  return isObject(error) && error.code === code;
}

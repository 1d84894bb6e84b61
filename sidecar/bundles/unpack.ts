/** Writes the layers of an image below a folder that nobody else sees yet. */
import { createHash } from 'node:crypto';
import { chmod, link, mkdir, open, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

import { extract } from 'tar-stream';

import { AppError, errorText, isObject } from '#core';

import type { BundleLimits } from './limits.ts';
import { type Descriptor, layerForm, type LayerForm } from './manifest.ts';
import { type Change, type Entry, type FileNode, ImageTree } from './tree.ts';

/** What is on disk at last: read-only for everybody, programs executable. */
export const FILE_MODE = 0o444;
export const PROGRAM_MODE = 0o555;
export const FOLDER_MODE = 0o555;
/** While layers are unpacked: ours alone. */
const OPEN_MODE = 0o700;
/** Above 8 MiB of window a layer could take the memory that all of the sidecar may have. */
const MAX_WINDOW_LOG = 23;
/** Room for one tar header and its extensions, beside the files themselves. */
const HEADER_BYTES = 4096;
const SYNCED_AT_ONCE = 16;
const LONGEST_SHOWN = 200;

/** As the library has it, which types neither kinds it does not know nor missing targets. */
interface TarHeader extends Omit<Entry, 'linkName'> {
  readonly linkname: string | null;
}
interface TarEntry extends AsyncIterable<unknown> {
  readonly header: TarHeader;
  resume(): unknown;
}

export class Unpacker {
  readonly tree: ImageTree;
  readonly #root: string;
  readonly #limits: BundleLimits;
  #bytes = 0;

  /** `root` is there, empty, and ours. */
  constructor(root: string, limits: BundleLimits) {
    this.#root = root;
    this.#limits = limits;
    this.tree = new ImageTree(limits);
  }

  /**
   * Unpacks one layer over those before; `chunks` throws at its end when they were not what they should be. Throws
   * MESSAGE_INVALID that names layer and entry, STORE_FAILED when the disk does not take it, and what `chunks` throws.
   */
  async layer(index: number, descriptor: Descriptor, chunks: AsyncIterable<Buffer>): Promise<void> {
    const place = `layer ${index + 1} (${descriptor.digest.slice(0, 19)}…)`;
    try {
      const form = layerForm(descriptor);
      if (form.form === 'file') await this.#single(index, form.name, descriptor.size, chunks);
      else await this.#tar(index, form, chunks);
    } catch (error) {
      throw placed(place, error);
    }
  }

  /** Makes the links, takes all write permissions away, and has everything on disk before it resolves. */
  async finish(): Promise<void> {
    await this.tree.checkLinks();
    const folders = [this.#root];
    const files: string[] = [];
    try {
      for (const { path, node } of this.tree.nodes()) {
        const full = join(this.#root, path);
        if (node.kind === 'link') await symlink(node.target, full);
        else (node.kind === 'folder' ? folders : files).push(full);
      }
      await inParallel(files, syncPath);
      // The deepest first: nothing can be changed any more in a folder that is closed.
      for (const folder of folders.toReversed()) {
        await chmod(folder, FOLDER_MODE);
        await syncPath(folder);
      }
    } catch (error) {
      throw diskError(error);
    }
  }

  async #tar(index: number, form: LayerForm & { form: 'tar' }, chunks: AsyncIterable<Buffer>): Promise<void> {
    const entries = extract();
    const fed = pipeline(Readable.from(this.#metered(decompressed(form.compression, chunks))), entries);
    fed.catch(() => undefined);
    for await (const entry of entries) await this.#entry(index, entry);
    await fed;
  }

  async #entry(index: number, stream: TarEntry): Promise<void> {
    const { name, type, mode, size, linkname }: TarHeader = stream.header;
    const entry: Entry = { name, type, mode, size, linkName: linkname ?? '' };
    try {
      const change = this.tree.accept(entry, index);
      await this.#apply(change, stream);
      stream.resume();
    } catch (error) {
      const shown = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}…` : name;
      throw placed(`entry ${JSON.stringify(shown)}`, error);
    }
  }

  /** The one file of a layer that is no tar. */
  async #single(index: number, name: string, size: number, chunks: AsyncIterable<Buffer>): Promise<void> {
    const entry: Entry = { name, type: 'file', mode: PROGRAM_MODE, size, linkName: '' };
    await this.#apply(this.tree.accept(entry, index), chunks);
  }

  async #apply({ remove, folders, file }: Change, content: AsyncIterable<unknown>): Promise<void> {
    try {
      for (const path of remove) await rm(join(this.#root, path), { recursive: true });
      for (const path of folders) await mkdir(join(this.#root, path), { mode: OPEN_MODE });
    } catch (error) {
      throw diskError(error);
    }
    if (file === null) return;
    const path = join(this.#root, file.path);
    if (file.sameAs === null) await writeNode(path, file.node, content);
    else await link(join(this.#root, file.sameAs), path).catch((error: unknown) => Promise.reject(diskError(error)));
  }

  /** A few bytes can be a flood of them. */
  async *#metered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const most = this.#limits.unpackedBytes + this.#limits.entries * HEADER_BYTES;
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      if (this.#bytes > most) throw refused(`unpacked it has more than ${this.#limits.unpackedBytes} bytes`);
      yield chunk;
    }
  }
}

async function writeNode(path: string, node: FileNode, content: AsyncIterable<unknown>): Promise<void> {
  const hash = createHash('sha256');
  let size = 0;
  const handle = await open(path, 'wx', 0o600).catch((error: unknown) => Promise.reject(diskError(error)));
  try {
    for await (const chunk of content) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) {
        const { bytesWritten } = await handle
          .write(chunk, at)
          .catch((error: unknown) => Promise.reject(diskError(error)));
        at += bytesWritten;
      }
    }
    await handle.chmod(node.executable ? PROGRAM_MODE : FILE_MODE);
  } finally {
    await handle.close();
  }
  if (size !== node.size) throw refused(`it has ${size} bytes, expected ${node.size}`);
  node.sha256 = hash.digest('hex');
}

/** Ends only when all of `chunks` was read, so that their digest was checked. */
async function* decompressed(
  compression: 'none' | 'gzip' | 'zstd',
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    yield* chunks;
    return;
  }
  const params = { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG };
  const stream = compression === 'gzip' ? createGunzip() : createZstdDecompress({ params });
  let isWhole = false;
  const source = Readable.from(
    (async function* () {
      yield* chunks;
      isWhole = true;
    })(),
  );
  // Its errors end the loop below.
  pipeline(source, stream).catch(() => undefined);
  try {
    for await (const chunk of stream) if (Buffer.isBuffer(chunk)) yield chunk;
  } catch (error) {
    throw error instanceof AppError ? error : refused(`it is no ${compression}: ${errorText(error)}`);
  } finally {
    source.destroy();
  }
  if (!isWhole) throw refused(`something follows the end of its ${compression} data`);
}

/** What the disk says, as an error of this project. */
export function diskError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = isObject(error) ? error.code : '';
  if (code === 'EEXIST') return refused('another entry has the same name on this disk, which may ignore case');
  if (code === 'ENOSPC' || code === 'EDQUOT') return new AppError('STORE_FAILED', 'the disk is full', { cause: error });
  return new AppError('STORE_FAILED', `the disk does not take it: ${errorText(error)}`, { cause: error });
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: SYNCED_AT_ONCE }, worker));
}

/** The library's own errors are about what it was given. */
function placed(place: string, error: unknown): AppError {
  if (!(error instanceof AppError)) return refused(`${place}: ${errorText(error)}`);
  return new AppError(error.code, `${place}: ${error.message}`, { cause: error, details: error.details });
}

function refused(why: string): AppError {
  return new AppError('MESSAGE_INVALID', why);
}

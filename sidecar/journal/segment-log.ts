import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { AppError, errorText, type Log } from '#core';

/** `none`: durable against kill -9. `full`: fdatasync before anything counts as written, durable against power loss. */
export type Sync = 'none' | 'full';

/** Where a record lies, so that it can be read again. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

export interface SegmentLogOptions {
  readonly folder: string;
  readonly sync: Sync;
  /** A segment that grew past this is followed by a new one. */
  readonly segmentBytes: number;
  readonly log: Log;
}

const HEADER_BYTES = 8;
const RETRY_MS = 250;
const FIRST_BUFFER_BYTES = 65_536;
/** First frame of every segment; a program that does not know the version refuses the folder. */
const FORMAT = 'trotline-journal 1';

/**
 * An append-only log in numbered segment files. Frames are length, CRC-32 (both 32 bit little endian), payload. Appends of
 * one tick and all that come while a write is under way go out in one write (group commit). A failed write is tried
 * again at the same place until it succeeds: nothing is lost or torn, `failing` says so meanwhile.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions;
  readonly #sizes = new Map<number, number>();
  readonly #readers = new Map<number, FileHandle>();
  #file: { readonly segment: number; readonly handle: FileHandle; written: number } | null = null;
  #segment = 0;
  /** End of what is appended to the segment, written or not. */
  #end = 0;
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #spare = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #used = 0;
  /** What is left to write of segments that were rolled over, oldest first. */
  #sealed: { readonly segment: number; readonly bytes: Buffer }[] = [];
  #next: PromiseWithResolvers<void> | null = null;
  #writing: Promise<void> | null = null;
  #failing: string | null = null;
  #closed = false;

  constructor(options: SegmentLogOptions) {
    this.#options = options;
  }

  /** Reads every whole frame in order, then begins a new segment. A torn end of the newest segment is normal after a crash. */
  async open(visit: (payload: string, position: Position) => void): Promise<void> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const segments = (await readdir(folder)).flatMap(segmentNumber).sort((a, b) => a - b);
    for (const segment of segments) {
      const path = this.#path(segment);
      const good = await readFrames(path, segment, visit);
      const { size } = await stat(path);
      this.#sizes.set(segment, size);
      if (good < size) log.warn({ segment, torn: size - good }, 'journal segment ends in a torn record');
    }
    this.#begin((segments.at(-1) ?? 0) + 1);
    await this.flush();
  }

  /** Bytes on disk and on the way there. */
  get bytes(): number {
    let total = this.#end;
    for (const [segment, size] of this.#sizes) if (segment !== this.#segment) total += size;
    return total;
  }

  get segment(): number {
    return this.#segment;
  }

  /** Segments before the current one, oldest first. */
  get oldSegments(): number[] {
    return [...this.#sizes.keys()].filter((segment) => segment !== this.#segment);
  }

  /** Why writes fail at the moment; null: they do not. */
  get failing(): string | null {
    return this.#failing;
  }

  /** Whether the current segment is full and `roll` is due. */
  get full(): boolean {
    return this.#end >= this.#options.segmentBytes;
  }

  /** Adds one record to the next write. It is durable once a `flush` called after it has resolved. */
  append(payload: string): Position {
    const room = HEADER_BYTES + payload.length * 3;
    if (this.#used + room > this.#buffer.length) this.#grow(room);
    const start = this.#used;
    const length = this.#buffer.write(payload, start + HEADER_BYTES, 'utf8');
    this.#buffer.writeUInt32LE(length, start);
    this.#buffer.writeUInt32LE(
      crc32(this.#buffer.subarray(start + HEADER_BYTES, start + HEADER_BYTES + length)),
      start + 4,
    );
    this.#used += HEADER_BYTES + length;
    const position = { segment: this.#segment, offset: this.#end, length };
    this.#end += HEADER_BYTES + length;
    return position;
  }

  /** Resolves when everything appended so far is written. */
  flush(): Promise<void> {
    if (this.#used === 0 && this.#sealed.length === 0) return this.#writing ?? Promise.resolve();
    if (!this.#next) {
      this.#next = Promise.withResolvers();
      this.#next.promise.catch(() => undefined);
      if (!this.#writing) queueMicrotask(() => void this.#drain());
    }
    return this.#next.promise;
  }

  /** Starts a new segment: what was appended before belongs to the old one, what comes after to the new one. */
  roll(): void {
    this.#sealed.push({ segment: this.#segment, bytes: Buffer.from(this.#buffer.subarray(0, this.#used)) });
    this.#used = 0;
    this.#sizes.set(this.#segment, this.#end);
    this.#begin(this.#segment + 1);
  }

  /** Deletes an old segment whose records nobody needs any more. */
  async remove(segment: number): Promise<void> {
    this.#sizes.delete(segment);
    await this.#readers.get(segment)?.close();
    this.#readers.delete(segment);
    await rm(this.#path(segment), { force: true });
  }

  /** Reads one flushed record again. */
  async read({ segment, offset, length }: Position): Promise<string> {
    let file = this.#readers.get(segment);
    if (!file) this.#readers.set(segment, (file = await open(this.#path(segment), 'r')));
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset + HEADER_BYTES);
    if (bytesRead !== length)
      throw new AppError('STORE_FAILED', `journal segment ${segment} is shorter than its records`);
    return bytes.toString('utf8');
  }

  /** Writes what is left, once; a failing disk does not hold it up. */
  async close(): Promise<void> {
    if (this.#closed) return;
    const rest = this.flush();
    this.#closed = true;
    await rest.catch((error: unknown) =>
      this.#options.log.error({ error: errorText(error) }, 'journal not written to its end'),
    );
    await this.#file?.handle.close();
    for (const reader of this.#readers.values()) await reader.close();
  }

  #begin(segment: number): void {
    this.#segment = segment;
    this.#sizes.set(segment, 0);
    this.#end = 0;
    this.append(FORMAT);
  }

  async #drain(): Promise<void> {
    while (this.#next) {
      const batch = this.#next;
      this.#next = null;
      this.#writing = batch.promise;
      const sealed = this.#sealed;
      this.#sealed = [];
      const current = { segment: this.#segment, bytes: this.#buffer.subarray(0, this.#used) };
      [this.#buffer, this.#spare] = [this.#spare, this.#buffer];
      this.#used = 0;
      await this.#writeAll([...sealed, current]).then(batch.resolve, batch.reject);
    }
    this.#writing = null;
  }

  async #writeAll(parts: readonly { segment: number; bytes: Buffer }[]): Promise<void> {
    for (const { segment, bytes } of parts) {
      for (let done = 0; done < bytes.length;) {
        try {
          done += await this.#write(segment, bytes, done);
          this.#failing = null;
        } catch (error) {
          if (this.#failing === null) this.#options.log.error({ error: errorText(error) }, 'journal write failed');
          this.#failing = errorText(error);
          if (this.#closed) throw error;
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
        }
      }
    }
  }

  async #write(segment: number, bytes: Buffer, from: number): Promise<number> {
    if (this.#file?.segment !== segment) {
      await this.#file?.handle.close();
      this.#file = null;
      this.#file = { segment, handle: await open(this.#path(segment), 'w', 0o600), written: 0 };
    }
    const file = this.#file;
    const { bytesWritten } = await file.handle.write(bytes, from, bytes.length - from, file.written);
    if (this.#options.sync === 'full') await file.handle.datasync();
    file.written += bytesWritten;
    return bytesWritten;
  }

  #grow(room: number): void {
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#used + room));
    this.#buffer.copy(bigger, 0, 0, this.#used);
    this.#buffer = bigger;
  }

  #path(segment: number): string {
    return join(this.#options.folder, `${String(segment).padStart(10, '0')}.log`);
  }
}

function segmentNumber(name: string): number[] {
  const match = /^(\d{10})\.log$/.exec(name);
  return match ? [Number(match[1])] : [];
}

/** Visits whole frames and returns the offset behind the last one. */
async function readFrames(
  path: string,
  segment: number,
  visit: (payload: string, position: Position) => void,
): Promise<number> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (!Buffer.isBuffer(chunk)) continue;
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const length = rest.readUInt32LE(at);
      if (rest.length - at < HEADER_BYTES + length) break;
      const payload = rest.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      if (crc32(payload) !== rest.readUInt32LE(at + 4)) return offset;
      if (offset === 0) checkFormat(payload.toString('utf8'), path);
      else visit(payload.toString('utf8'), { segment, offset, length });
      at += HEADER_BYTES + length;
      offset += HEADER_BYTES + length;
    }
    rest = rest.subarray(at);
  }
  return offset;
}

function checkFormat(first: string, path: string): void {
  if (first !== FORMAT)
    throw new AppError(
      'STORE_FAILED',
      `${path} is of another format (${JSON.stringify(first.slice(0, 40))}), expected "${FORMAT}"`,
    );
}

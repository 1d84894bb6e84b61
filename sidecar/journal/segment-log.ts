import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, errorText, type Log } from '#core';

import { type Damage, FORMAT, HEADER_BYTES, readFrames, writeFrame } from './frames.ts';

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
  /** A segment that grew past this, its head not counted, is followed by a new one. */
  readonly segmentBytes: number;
  readonly log: Log;
  /** Opens segment files; the system's by default. */
  readonly open?: typeof open;
}

const RETRY_MS = 250;
const FIRST_BUFFER_BYTES = 65_536;
/** A larger buffer is not kept for the next write. */
const KEPT_BUFFER_BYTES = 1 << 20;

/**
 * An append-only log in numbered segment files. Appends of one tick and all that come while a write is under way go out
 * in one write (group commit). A failed write is tried again at the same place until it succeeds: nothing is lost or
 * torn, `failing` says so meanwhile.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions;
  readonly #open: typeof open;
  /** Of segments before the current one, oldest first. */
  readonly #sizes = new Map<number, number>();
  readonly #readers = new Map<number, Promise<FileHandle>>();
  #file: { readonly segment: number; readonly handle: FileHandle; written: number } | null = null;
  #segment = 0;
  /** End of what is appended to the segment, written or not. */
  #end = 0;
  /** End of its head. */
  #begun = 0;
  #oldBytes = 0;
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #spare = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #used = 0;
  /** What is left to write of segments that were rolled over, oldest first. */
  #sealed: { readonly segment: number; readonly bytes: Buffer }[] = [];
  #next: PromiseWithResolvers<void> | null = null;
  #writing: Promise<void> | null = null;
  #failing: string | null = null;
  #hurried = false;
  /** Something was given up: nothing may be written behind it. */
  #ended: unknown = null;
  #closed: Promise<void> | null = null;

  constructor(options: SegmentLogOptions) {
    this.#options = options;
    this.#open = options.open ?? open;
  }

  /** Reads every whole frame in order, then begins a new segment. Returns what was damaged. */
  async open(visit: (payload: string, position: Position) => void): Promise<Damage[]> {
    const { folder, log } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const segments = (await readdir(folder)).flatMap(segmentNumber).sort((a, b) => a - b);
    const damages: Damage[] = [];
    for (const segment of segments) {
      const read = await readFrames(this.#path(segment), (payload, offset, length) =>
        visit(payload, { segment, offset, length }),
      );
      this.#seal(segment, read.size);
      if (read.torn > 0) log.warn({ segment, torn: read.torn }, 'journal segment ends in a torn record');
      for (const damage of read.damages) log.error({ segment, ...damage }, 'journal segment is damaged');
      damages.push(...read.damages);
    }
    this.#begin((segments.at(-1) ?? 0) + 1);
    await this.flush();
    return damages;
  }

  /** Bytes on disk and on the way there. */
  get bytes(): number {
    return this.#oldBytes + this.#end;
  }

  get segment(): number {
    return this.#segment;
  }

  /** The oldest segment before the current one; null: there is none. */
  get oldest(): number | null {
    return this.#sizes.keys().next().value ?? null;
  }

  /** Why writes fail at the moment; null: they do not. */
  get failing(): string | null {
    return this.#failing;
  }

  /** Whether the current segment is full and `roll` is due. */
  get full(): boolean {
    return this.#end - this.#begun >= this.#options.segmentBytes;
  }

  /** Adds one record to the next write. It is durable once a `flush` called after it has resolved. */
  append(payload: string): Position {
    const room = HEADER_BYTES + payload.length * 3;
    if (this.#used + room > this.#buffer.length) this.#grow(room);
    const length = writeFrame(this.#buffer, this.#used, payload);
    const position = { segment: this.#segment, offset: this.#end, length };
    this.#used += HEADER_BYTES + length;
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

  /** Starts a new segment with `head`: what was appended before belongs to the old one, what comes after to the new. */
  roll(head: string): void {
    this.#sealed.push({ segment: this.#segment, bytes: Buffer.from(this.#buffer.subarray(0, this.#used)) });
    this.#used = 0;
    this.#seal(this.#segment, this.#end);
    this.#begin(this.#segment + 1);
    this.append(head);
    this.#begun = this.#end;
  }

  /** Deletes an old segment whose records nobody needs any more. */
  async remove(segment: number): Promise<void> {
    this.#oldBytes -= this.#sizes.get(segment) ?? 0;
    this.#sizes.delete(segment);
    const reader = this.#readers.get(segment);
    this.#readers.delete(segment);
    await (await reader)?.close();
    await rm(this.#path(segment), { force: true });
  }

  /** Reads one flushed record again. */
  async read({ segment, offset, length }: Position): Promise<string> {
    let reader = this.#readers.get(segment);
    if (!reader) {
      reader = this.#open(this.#path(segment), 'r');
      this.#readers.set(segment, reader);
      reader.catch(() => this.#readers.delete(segment));
    }
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await (await reader).read(bytes, 0, length, offset + HEADER_BYTES);
    if (bytesRead !== length)
      throw new AppError('STORE_FAILED', `journal segment ${segment} is shorter than its records`);
    return bytes.toString('utf8');
  }

  /** From now on a failed write is not tried again: who waits for it hears so. */
  hurry(): void {
    this.#hurried = true;
  }

  /** Writes what is left; a failing disk does not hold it up. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.hurry();
    await this.flush().catch((error: unknown) =>
      this.#options.log.error({ error: errorText(error) }, 'journal not written to its end'),
    );
    await this.#file?.handle.close();
    for (const reader of this.#readers.values()) await (await reader).close();
  }

  #begin(segment: number): void {
    this.#segment = segment;
    this.#end = 0;
    this.append(FORMAT);
    this.#begun = this.#end;
  }

  #seal(segment: number, size: number): void {
    this.#sizes.set(segment, size);
    this.#oldBytes += size;
  }

  async #drain(): Promise<void> {
    while (this.#next) {
      const batch = this.#next;
      this.#next = null;
      this.#writing = batch.promise;
      const sealed = this.#sealed;
      this.#sealed = [];
      const written = this.#buffer;
      const current = { segment: this.#segment, bytes: written.subarray(0, this.#used) };
      this.#buffer = this.#spare;
      this.#used = 0;
      await this.#writeAll([...sealed, current]).then(batch.resolve, batch.reject);
      this.#spare = written.length > KEPT_BUFFER_BYTES ? Buffer.allocUnsafe(FIRST_BUFFER_BYTES) : written;
    }
    this.#writing = null;
  }

  async #writeAll(parts: readonly { segment: number; bytes: Buffer }[]): Promise<void> {
    for (const { segment, bytes } of parts) {
      for (let done = 0; done < bytes.length;) {
        if (this.#ended !== null) throw this.#ended;
        try {
          done += await this.#write(segment, bytes, done);
          this.#failing = null;
        } catch (error) {
          if (this.#failing === null) this.#options.log.error({ error: errorText(error) }, 'journal write failed');
          this.#failing = errorText(error);
          if (this.#hurried) this.#ended = error;
          else await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
        }
      }
    }
  }

  async #write(segment: number, bytes: Buffer, from: number): Promise<number> {
    if (this.#file?.segment !== segment) {
      const before = this.#file;
      this.#file = null;
      await before?.handle.close();
      // What a failed try left there, or a link, is replaced and not followed.
      await rm(this.#path(segment), { force: true });
      const handle = await this.#open(this.#path(segment), 'wx', 0o600);
      try {
        if (this.#options.sync === 'full') await this.#syncFolder();
      } catch (error) {
        await handle.close();
        throw error;
      }
      this.#file = { segment, handle, written: 0 };
    }
    const file = this.#file;
    const { bytesWritten } = await file.handle.write(bytes, from, bytes.length - from, file.written);
    if (this.#options.sync === 'full') await file.handle.datasync();
    file.written += bytesWritten;
    return bytesWritten;
  }

  /** A new file's name is durable against power loss only with its folder. */
  async #syncFolder(): Promise<void> {
    const folder = await this.#open(this.#options.folder, 'r');
    try {
      await folder.datasync();
    } finally {
      await folder.close();
    }
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

/** Frames of a segment file: length and CRC-32 (both 32 bit little endian), then the payload. */
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

import { AppError } from '#core';

export const HEADER_BYTES = 8;
/** First frame of every segment; a program that does not know the version refuses the folder. */
export const FORMAT = 'trotline-journal 1';
/** Every other payload begins so: where frames go on behind a damaged one. */
const RECORD_START = '{"k":"';
/** Frames that are visited before the event loop gets a turn. */
const SLICE = 128;

/** Bytes that are no frames, with frames behind them. */
export interface Damage {
  readonly offset: number;
  readonly bytes: number;
}

export interface ReadSegment {
  readonly size: number;
  /** Bytes behind the last whole frame: normal after a crash. */
  readonly torn: number;
  readonly damages: readonly Damage[];
}

/** Writes one frame at `start`, where room for it must be; returns the length of its payload. */
export function writeFrame(buffer: Buffer, start: number, payload: string): number {
  const from = start + HEADER_BYTES;
  const length = buffer.write(payload, from, 'utf8');
  buffer.writeUInt32LE(length, start);
  buffer.writeUInt32LE(crc32(buffer.subarray(from, from + length)), start + 4);
  return length;
}

/** Visits the whole frames in order; what is damaged is skipped up to the next whole frame. */
export async function readFrames(
  path: string,
  visit: (payload: string, offset: number, length: number) => void,
): Promise<ReadSegment> {
  const bytes = await readFile(path);
  const damages: Damage[] = [];
  let visited = 0;
  for (let at = 0; at < bytes.length;) {
    const length = frameLength(bytes, at);
    if (length === null) {
      const next = nextFrame(bytes, at + 1);
      if (next === null) return { size: bytes.length, torn: bytes.length - at, damages };
      damages.push({ offset: at, bytes: next - at });
      at = next;
      continue;
    }
    const payload = bytes.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (at === 0) checkFormat(payload, path);
    else visit(payload, at, length);
    at += HEADER_BYTES + length;
    if (++visited % SLICE === 0) await nextTurn();
  }
  return { size: bytes.length, torn: 0, damages };
}

/** Of the payload of the whole frame at this offset; null when there is none. No frame is empty: zeros are none. */
function frameLength(bytes: Buffer, at: number): number | null {
  if (bytes.length - at < HEADER_BYTES) return null;
  const length = bytes.readUInt32LE(at);
  const from = at + HEADER_BYTES;
  if (length === 0 || bytes.length - from < length) return null;
  return crc32(bytes.subarray(from, from + length)) === bytes.readUInt32LE(at + 4) ? length : null;
}

function nextFrame(bytes: Buffer, from: number): number | null {
  for (
    let start = bytes.indexOf(RECORD_START, from + HEADER_BYTES);
    start >= 0;
    start = bytes.indexOf(RECORD_START, start + 1)
  ) {
    if (frameLength(bytes, start - HEADER_BYTES) !== null) return start - HEADER_BYTES;
  }
  return null;
}

function checkFormat(first: string, path: string): void {
  if (first === FORMAT) return;
  throw new AppError(
    'STORE_FAILED',
    `${path} is of another format (${JSON.stringify(first.slice(0, 40))}), expected "${FORMAT}"`,
  );
}

/** What an image may cost. Tests bring smaller ones. */
export interface BundleLimits {
  /** For one answer that is kept in memory: manifest, configuration, token. */
  readonly answerBytes: number;
  /** Bytes of all layers as they come. */
  readonly pulledBytes: number;
  /** Bytes of all layers unpacked, and of one file. */
  readonly unpackedBytes: number;
  readonly fileBytes: number;
  /** Files, folders and links. */
  readonly entries: number;
  readonly layers: number;
  /** For one small answer, and for all of an image. */
  readonly answerMs: number;
  readonly pullMs: number;
  /** A download that gives fewer than `stallBytes` in `stallMs` is given up. */
  readonly stallMs: number;
  readonly stallBytes: number;
  /** Tries of one request; the pause before the second, doubled before each that follows. */
  readonly tries: number;
  readonly pauseMs: number;
}

export const LIMITS: BundleLimits = {
  answerBytes: 4 << 20,
  pulledBytes: 512 << 20,
  unpackedBytes: 1 << 30,
  fileBytes: 256 << 20,
  entries: 50_000,
  layers: 128,
  answerMs: 30_000,
  pullMs: 300_000,
  stallMs: 20_000,
  stallBytes: 20_480,
  tries: 4,
  pauseMs: 500,
};

import { constants } from 'node:os';
import { errnoName } from './errors.ts';

/** What to run. `argv[0]` is a path and is executed as it is, with exactly `env`, in `directory` (default `/`). */
export interface SpawnRequest {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** From the start of the program, by the monotonic clock. Then its whole tree gets SIGKILL. */
  timeoutMs: number;
  /** The program's standard input; null is /dev/null. */
  stdin: string | null;
  directory: string | null;
  /** Directory of a cgroup v2 that the program's whole tree lives in and is killed by; null: that of this process. */
  cgroup: string | null;
  /** A `uid` needs a `gid`. */
  uid: number | null;
  gid: number | null;
  groups: readonly number[];
  limits: Partial<Record<SpawnLimit, number>>;
  /** Bytes of standard output and error together that are kept, at most 1 MiB; the rest is read and dropped. */
  outputLimit: number;
  /** Bytes of standard error that are kept apart, at most 1 MiB; missing: it goes with the output. */
  errorLimit?: number;
}

export type SpawnLimit = 'cpuSeconds' | 'memoryBytes' | 'openFiles' | 'processes' | 'fileBytes';

/** How a program ended. Exactly one of `exitCode`, `signal` and `startError` is not null. */
export interface SpawnEnded {
  exitCode: number | null;
  signal: string | null;
  /** The program never ran. `transient`: for want of resources, so that a later start may succeed. */
  startError: { syscall: string; code: string; transient: boolean } | null;
  timedOut: boolean;
  durationMs: number;
  output: string;
  /** '' unless it was to be kept apart. */
  errorOutput: string;
  outputTruncated: boolean;
}

export type Answer =
  | { type: 'ready'; version: number }
  | { type: 'ended'; id: number; ended: SpawnEnded }
  | { type: 'failed'; syscall: string; code: string };

export const PROTOCOL_VERSION = 3;

const NONE = 0xffffffff;
const MAX_REQUEST = 8 * 1024 * 1024;
const MAX_OUTPUT = 1024 * 1024;
const HEADER_BYTES = 5 + 10 * 4 + 5 * 8;
const LIMITS: readonly SpawnLimit[] = ['cpuSeconds', 'memoryBytes', 'openFiles', 'processes', 'fileBytes'];
const TRANSIENT = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

const SIGNALS = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) {
  if (!SIGNALS.has(number)) SIGNALS.set(number, name);
}

export const KILLED: SpawnEnded = {
  exitCode: null,
  signal: 'SIGKILL',
  startError: null,
  timedOut: false,
  durationMs: 0,
  output: '',
  errorOutput: '',
  outputTruncated: false,
};

/** The frame of a spawn request; throws when it names something that no program can be given. */
export function encodeSpawn(id: number, request: SpawnRequest): Buffer {
  const variables = Object.entries(request.env);
  check(request, variables);
  const texts = [
    request.directory ?? '/',
    request.cgroup ?? '',
    ...request.argv,
    ...variables.map(([name, value]) => `${name}=${value}`),
  ];
  const text = `${texts.join('\0')}\0`;
  const stdinBytes = request.stdin === null ? 0 : Buffer.byteLength(request.stdin);
  const fixed = HEADER_BYTES + request.groups.length * 4;
  const size = fixed + Buffer.byteLength(text) + stdinBytes;
  if (size - 4 > MAX_REQUEST)
    throw new RangeError(
      `a program's arguments, environment and input are ${size} bytes, at most ${MAX_REQUEST} are allowed`,
    );

  const frame = Buffer.allocUnsafe(size);
  let at = frame.writeUInt32LE(size - 4, 0);
  at = frame.writeUInt8(1, at);
  const numbers = [
    id,
    request.timeoutMs,
    request.outputLimit,
    request.errorLimit ?? NONE,
    request.uid ?? NONE,
    request.gid ?? NONE,
    request.groups.length,
    request.argv.length,
    variables.length,
    request.stdin === null ? NONE : stdinBytes,
  ];
  for (const number of numbers) at = frame.writeUInt32LE(number, at);
  for (const kind of LIMITS) {
    const limit = request.limits[kind];
    at = frame.writeUInt32LE(limit === undefined ? NONE : limit % 2 ** 32, at);
    at = frame.writeUInt32LE(limit === undefined ? NONE : Math.floor(limit / 2 ** 32), at);
  }
  for (const group of request.groups) at = frame.writeUInt32LE(group, at);
  at += frame.write(text, at);
  if (request.stdin !== null) frame.write(request.stdin, at);
  return frame;
}

export function encodeKill(id: number): Buffer {
  const frame = Buffer.allocUnsafe(9);
  frame.writeUInt32LE(5, 0);
  frame.writeUInt8(2, 4);
  frame.writeUInt32LE(id, 5);
  return frame;
}

/** The answer in `frame`, which holds the type and the body, without the length. */
export function decodeAnswer(frame: Buffer): Answer {
  const type = frame.readUInt8(0);
  if (type === 1) return { type: 'ready', version: frame.readUInt32LE(1) };
  if (type === 3)
    return { type: 'failed', code: errnoName(frame.readUInt32LE(1)), syscall: frame.toString('latin1', 5) };
  if (type !== 2) throw new Error(`unknown answer type ${type} from the spawner, expected 1 to 3`);

  const kind = frame.readUInt8(5);
  const flags = frame.readUInt8(6);
  const value = frame.readUInt32LE(7);
  const code = kind === 2 ? errnoName(value) : '';
  const end = 23 + frame.readUInt32LE(19);
  const text = frame.toString('utf8', 23, end);
  const ended: SpawnEnded = {
    exitCode: kind === 0 ? value : null,
    signal: kind === 1 ? (SIGNALS.get(value) ?? `SIG${value}`) : null,
    startError: kind === 2 ? { syscall: text, code, transient: TRANSIENT.has(code) } : null,
    timedOut: (flags & 1) !== 0,
    durationMs: Number(frame.readBigUInt64LE(11)) / 1000,
    output: kind === 2 ? '' : text,
    errorOutput: frame.toString('utf8', end),
    outputTruncated: (flags & 2) !== 0,
  };
  return { type: 'ended', id: frame.readUInt32LE(1), ended };
}

function check(request: SpawnRequest, variables: readonly [string, string][]): void {
  if (request.argv.length === 0) throw new TypeError('argv is empty, expected the path of a program');
  for (const [index, text] of request.argv.entries()) refuseNul(`argv[${index}]`, text);
  for (const [name, value] of variables) {
    refuseNul(`the name of the environment variable ${JSON.stringify(name)}`, name);
    refuseNul(`the environment variable ${JSON.stringify(name)}`, value);
    if (name === '' || name.includes('='))
      throw new TypeError(`${JSON.stringify(name)} cannot name an environment variable`);
  }
  refuseNul('directory', request.directory ?? '');
  refuseNul('cgroup', request.cgroup ?? '');
  if (request.uid !== null && request.gid === null)
    throw new TypeError(`uid ${request.uid} without a gid would keep the group of the sidecar`);
  refuseNumber('timeoutMs', request.timeoutMs, 1, NONE - 1);
  refuseNumber('outputLimit', request.outputLimit, 0, MAX_OUTPUT);
  refuseNumber('errorLimit', request.errorLimit ?? 0, 0, MAX_OUTPUT);
  for (const id of [request.uid, request.gid, ...request.groups])
    refuseNumber('uid, gid or group', id ?? 0, 0, NONE - 1);
  for (const kind of LIMITS) refuseNumber(kind, request.limits[kind] ?? 0, 0, Number.MAX_SAFE_INTEGER);
}

function refuseNul(what: string, text: string): void {
  if (text.includes('\0')) throw new TypeError(`${what} holds a NUL byte, which no program can be given`);
}

function refuseNumber(what: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new RangeError(`${what} is ${value}, expected an integer from ${minimum} to ${maximum}`);
}

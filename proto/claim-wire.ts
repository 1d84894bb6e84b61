/**
 * Claims straight between wire and domain, without an object of the generated code in between: many thousands a second pass here
 * (protobuf encoding, https://protobuf.dev/programming-guides/encoding/). Held against the generated code by test/unit/proto.
 */
import { AppError, type ClaimAnswer, type ClaimOperation } from '#core';

/** Field of `ClaimOperation.operation`, as claim.proto numbers them. */
const KINDS = { 3: 'acquire', 4: 'complete', 5: 'release', 6: 'renew', 7: 'settle', 8: 'cancel' } as const;
/** Field of `ClaimAnswer.answer`. */
const ANSWERS = { granted: 2, held: 3, done: 4, accepted: 5, refused: 6 } as const;

const OPERATIONS = 2;
const VARINT = 0;
const BYTES = 2;
/** Of one answer: two varints of ten bytes in a message in a message with another varint. */
const LARGEST_ANSWER = 40;

/** The operations of an encoded `ClaimRequest`. MESSAGE_INVALID: no message, or an operation without key or kind. */
export function decodeClaimOperations(bytes: Uint8Array): ClaimOperation[] {
  const reader = new Reader(bytes);
  const operations: ClaimOperation[] = [];
  while (reader.left) {
    const tag = reader.tag();
    if (tag === ((OPERATIONS << 3) | BYTES)) operations.push(reader.message(readOperation));
    else reader.skip(tag);
  }
  return operations;
}

/** An encoded `ClaimResponse`; several of them, one after the other, are one with all answers. */
export function encodeClaimAnswers(answers: readonly ClaimAnswer[]): Uint8Array {
  const bytes = new Uint8Array(answers.length * LARGEST_ANSWER);
  let end = 0;
  for (const answer of answers) end = writeAnswer(bytes, end, answer);
  return bytes.slice(0, end);
}

function readOperation(reader: Reader): ClaimOperation {
  let id = 0;
  let key = '';
  let kind: (typeof KINDS)[keyof typeof KINDS] | null = null;
  let numbers: readonly [number, number] = [0, 0];
  while (reader.left) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if (tag === ((1 << 3) | VARINT)) id = reader.varint();
    else if (tag === ((2 << 3) | BYTES)) key = reader.text();
    else if (isKind(field) && (tag & 7) === BYTES) {
      kind = KINDS[field];
      numbers = reader.message(readNumbers);
    } else reader.skip(tag);
  }
  if (key === '' || kind === null) throw invalid('claim operation has no key or no operation');
  const [first, second] = numbers;
  switch (kind) {
    case 'acquire':
      return { kind, id, key };
    case 'complete':
      return { kind, id, key, fence: first, windowMs: second };
    case 'settle':
      return { kind, id, key, windowMs: first, ageMs: second };
    case 'cancel':
      return { kind, id, key, acquireId: first };
    default:
      return { kind, id, key, fence: first };
  }
}

/** Fields 1 and 2, which is all that any operation has. */
function readNumbers(reader: Reader): readonly [number, number] {
  let first = 0;
  let second = 0;
  while (reader.left) {
    const tag = reader.tag();
    if (tag === ((1 << 3) | VARINT)) first = reader.varint();
    else if (tag === ((2 << 3) | VARINT)) second = reader.varint();
    else reader.skip(tag);
  }
  return [first, second];
}

function isKind(field: number): field is keyof typeof KINDS {
  return field in KINDS;
}

function writeAnswer(bytes: Uint8Array, at: number, answer: ClaimAnswer): number {
  // Both lengths are known only afterwards, and fit one byte.
  const start = at + 2;
  let end = writeNumber(bytes, start, 1, answer.id);
  bytes[end] = (ANSWERS[answer.kind] << 3) | BYTES;
  const inner = end + 2;
  end = writeNumbers(bytes, inner, answer);
  bytes[inner - 1] = end - inner;
  bytes[at] = (1 << 3) | BYTES;
  bytes[at + 1] = end - start;
  return end;
}

function writeNumbers(bytes: Uint8Array, at: number, answer: ClaimAnswer): number {
  switch (answer.kind) {
    case 'granted':
      return writeNumber(bytes, writeNumber(bytes, at, 1, answer.fence), 2, Math.ceil(answer.leaseMs));
    case 'held':
      return writeNumber(bytes, at, 1, Math.ceil(answer.leaseMs));
    case 'done':
      return writeNumber(bytes, at, 1, Math.ceil(answer.remainingMs));
    case 'refused':
      return writeNumber(bytes, at, 1, answer.fence);
    default:
      return at;
  }
}

/** Nothing for 0, which is what a missing field says. */
function writeNumber(bytes: Uint8Array, at: number, field: number, value: number): number {
  if (value === 0) return at;
  if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} is no number of a claim`);
  bytes[at++] = (field << 3) | VARINT;
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 0x80)) bytes[at++] = (left % 0x80) | 0x80;
  bytes[at++] = left;
  return at;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #text: Buffer;
  #at = 0;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
  }

  get left(): boolean {
    return this.#at < this.#end;
  }

  varint(): number {
    let value = 0;
    for (let unit = 1; unit < 2 ** 64; unit *= 0x80) {
      const byte = this.#bytes[this.#endOf(1) - 1] ?? 0;
      this.#at++;
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) throw invalid('number is beyond 2^53');
      if (byte < 0x80) return value;
    }
    throw invalid('request cannot be decoded: a number has more than ten bytes');
  }

  /** Of a field: its number, which is at least 1 and has 29 bits, and its wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag > 0xffffffff || tag >>> 3 === 0) throw invalid(`request cannot be decoded: ${tag} is no tag of a field`);
    return tag;
  }

  text(): string {
    const end = this.#endOf(this.varint());
    const text = this.#text.toString('utf8', this.#at, end);
    this.#at = end;
    return text;
  }

  /** What `read` makes of a message of its own. */
  message<T>(read: (reader: Reader) => T): T {
    const outer = this.#end;
    this.#end = this.#endOf(this.varint());
    const value = read(this);
    this.#end = outer;
    return value;
  }

  /** A field that is not known here. */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.varint();
        return;
      case 1:
        this.#at = this.#endOf(8);
        return;
      case BYTES:
        this.#at = this.#endOf(this.varint());
        return;
      case 5:
        this.#at = this.#endOf(4);
        return;
      default:
        throw invalid(`request cannot be decoded: wire type ${tag & 7}`);
    }
  }

  #endOf(length: number): number {
    const end = this.#at + length;
    if (end > this.#end) throw truncated();
    return end;
  }
}

function truncated(): AppError {
  return invalid('request cannot be decoded: it ends too early');
}

function invalid(message: string): AppError {
  return new AppError('MESSAGE_INVALID', message);
}

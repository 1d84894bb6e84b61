import { describe, expect, it } from 'vitest';

import type { ClaimAnswer, ClaimOperation } from '#core';
import { ClaimRequest, ClaimResponse, convert, decodeClaimOperations, encodeClaimAnswers } from '#proto';

const CASES = 2000;
const NUMBERS = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
const KEYS = ['k', 'trotline/veth-gone/node-1/eth0', 'ключ', '🎣', 'a\u0000b', 'x'.repeat(300)];

function pick<T>(from: readonly T[]): T {
  const value = from[Math.floor(Math.random() * from.length)];
  if (value === undefined) throw new Error('nothing to pick');
  return value;
}

function operationOf(): ClaimOperation {
  const head = { id: pick(NUMBERS), key: pick(KEYS) };
  const fence = pick(NUMBERS);
  const windowMs = pick(NUMBERS);
  return pick<ClaimOperation>([
    { kind: 'acquire', ...head },
    { kind: 'complete', ...head, fence, windowMs },
    { kind: 'release', ...head, fence },
    { kind: 'renew', ...head, fence },
    { kind: 'settle', ...head, windowMs, ageMs: pick(NUMBERS) },
    { kind: 'cancel', ...head, acquireId: pick(NUMBERS) },
  ]);
}

function answerOf(): ClaimAnswer {
  const id = pick(NUMBERS);
  return pick<ClaimAnswer>([
    { kind: 'granted', id, fence: pick(NUMBERS), leaseMs: pick(NUMBERS) },
    { kind: 'held', id, leaseMs: pick([0, 0.25, 29_999.5]) },
    { kind: 'done', id, remainingMs: pick([0, 0.25, 599_999.5]) },
    { kind: 'accepted', id },
    { kind: 'refused', id, fence: pick(NUMBERS) },
  ]);
}

const many = <T>(make: () => T): T[] => Array.from({ length: Math.floor(Math.random() * 8) }, make);

function requestOf(operations: readonly ClaimOperation[], sidecarId = ''): Uint8Array {
  return ClaimRequest.encode({ sidecarId, operations: operations.map(convert.claimOperationToProto) }).finish();
}

describe('claims as bytes', () => {
  it('are read as the generated code writes them', () => {
    for (let count = 0; count < CASES; count++) {
      const operations = many(operationOf);
      expect(decodeClaimOperations(requestOf(operations, pick(['', 'sidecar-1'])))).toEqual(operations);
    }
  });

  it('are written as the generated code reads them, also one response after the other', () => {
    for (let count = 0; count < CASES; count++) {
      const answers = [many(answerOf), many(answerOf)];
      const whole = Buffer.concat(answers.map((some) => encodeClaimAnswers(some)));
      expect(ClaimResponse.decode(whole).answers).toEqual(answers.flat().map(convert.claimAnswerToProto));
    }
  });

  it('may have fields that are not known here', () => {
    const unknown = Buffer.from('7d010203047901020304050607087896017a0109', 'hex');
    const request = Buffer.concat([unknown, requestOf([{ kind: 'acquire', id: 1, key: 'k' }]), unknown]);
    expect(decodeClaimOperations(request)).toEqual([{ kind: 'acquire', id: 1, key: 'k' }]);
  });

  it.each([
    ['no key', [0x12, 2, 0x1a, 0], 'has no key or no operation'],
    ['no kind', [0x12, 3, 0x12, 1, 0x6b], 'has no key or no operation'],
    ['a number beyond 2^53', [0x12, 10, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0], 'beyond 2^53'],
    ['a group', [0x0b], 'wire type 3'],
    ['a field without a number', [0x00, 0x01], '0 is no tag'],
    ['a field without a number in an operation', [0x12, 2, 0x02, 0x00], '2 is no tag'],
    ['a tag of more than 32 bits', [0x80, 0x80, 0x80, 0x80, 0x10, 0x01], '4294967296 is no tag'],
    // Cut to 32 bits it would be that of `acquire`.
    ['a tag of 33 bits', [0x12, 10, 0x12, 1, 0x6b, 0x9a, 0x80, 0x80, 0x80, 0x10, 0, 0], '4294967322 is no tag'],
  ])('are refused with %s', (_, bytes, message) => {
    expect(() => decodeClaimOperations(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'MESSAGE_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it('are refused when they are cut or mangled, or are still some operations', () => {
    const first = requestOf([{ kind: 'acquire', id: 300, key: 'key' }]);
    const second = requestOf([{ kind: 'settle', id: 1, key: 'k', windowMs: 2 ** 40, ageMs: 5 }]);
    const whole = Buffer.concat([first, second]);
    for (let size = 1; size < whole.length; size++) {
      const cut = whole.slice(0, size);
      const outcome = attempt(cut);
      expect(outcome).toEqual(size === first.length ? 'operations' : 'MESSAGE_INVALID');
    }
    for (let count = 0; count < CASES; count++) {
      const mangled = whole.map((byte) => (Math.random() < 0.1 ? Math.floor(Math.random() * 256) : byte));
      expect(['operations', 'MESSAGE_INVALID']).toContain(attempt(mangled));
    }
  });
});

function attempt(bytes: Uint8Array): string {
  try {
    decodeClaimOperations(bytes);
    return 'operations';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

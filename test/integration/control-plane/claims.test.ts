import { Client, credentials, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';

import { AppError } from '#core';

import type { Store } from '../../../control-plane/store/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { ClaimClient, startWire } from './kit/wire.ts';

const answered = (client: ClaimClient, count: number) => eventually(() => client.answers.length >= count);

test('one of two sidecars is granted a key, the other hears when it frees', async () => {
  await using wire = await startWire();
  using first = new ClaimClient(wire.address, 'a');
  first.acquire(1, 'k');
  await answered(first, 1);
  expect(first.answers).toMatchObject([{ kind: 'granted', id: 1, fence: 1, leaseMs: 30_000 }]);

  using second = new ClaimClient(wire.address, 'b');
  second.acquire(7, 'k');
  await answered(second, 1);
  expect(second.answers).toMatchObject([{ kind: 'held', id: 7 }]);

  first.ask({ kind: 'release', id: 2, key: 'k', fence: 1 });
  await answered(second, 2);
  expect(second.answers[1]).toMatchObject({ kind: 'granted', id: 7, fence: 2 });

  first.ask({ kind: 'complete', id: 3, key: 'k', fence: 1, windowMs: 60_000 });
  second.ask({ kind: 'complete', id: 8, key: 'k', fence: 2, windowMs: 60_000 });
  await Promise.all([answered(first, 3), answered(second, 3)]);
  expect(first.answers[2]).toEqual({ kind: 'refused', id: 3, fence: 1 });
  expect(second.answers[2]).toEqual({ kind: 'accepted', id: 8 });
});

test('exactly one of two sidecars is granted each of a thousand keys', async () => {
  await using wire = await startWire();
  using first = new ClaimClient(wire.address, 'a');
  using second = new ClaimClient(wire.address, 'b');
  for (let id = 0; id < 1_000; id += 100) {
    for (const client of [first, second]) {
      client.ask(
        ...Array.from({ length: 100 }, (_, index) => ({
          kind: 'acquire' as const,
          id: id + index,
          key: `k${id + index}`,
        })),
      );
    }
  }
  await Promise.all([answered(first, 1_000), answered(second, 1_000)]);
  const granted = [first, second].flatMap(({ answers }) => answers.filter(({ kind }) => kind === 'granted'));
  expect(granted.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 1_000 }, (_, index) => index),
  );
  expect(first.messages).toBeLessThanOrEqual(10);
});

test('a sidecar that comes back has its key at once, with a higher fence', async () => {
  await using wire = await startWire();
  const before = new ClaimClient(wire.address, 'a');
  before.acquire(1, 'k');
  await answered(before, 1);
  before[Symbol.dispose]();
  using after = new ClaimClient(wire.address, 'a');
  after.acquire(1, 'k');
  await answered(after, 1);
  expect(after.answers).toMatchObject([{ kind: 'granted', fence: 2 }]);
});

test('the newest stream of a sidecar takes over, and hears nothing meant for the one before', async () => {
  await using wire = await startWire();
  using holder = new ClaimClient(wire.address, 'a');
  holder.acquire(1, 'k');
  await answered(holder, 1);
  using before = new ClaimClient(wire.address, 'b');
  before.acquire(5, 'k');
  await answered(before, 1);

  using after = new ClaimClient(wire.address, 'b');
  await eventually(() => before.error !== null);
  expect(before.error).toMatchObject({
    code: status.FAILED_PRECONDITION,
    details: expect.stringContaining('took over'),
  });
  after.acquire(5, 'other');
  await answered(after, 1);
  holder.ask({ kind: 'release', id: 2, key: 'k', fence: 1 });
  await answered(holder, 2);
  after.acquire(6, 'k');
  await answered(after, 2);
  expect(after.answers).toMatchObject([
    { kind: 'granted', id: 5 },
    { kind: 'granted', id: 6 },
  ]);
});

test('who leaves waits no more: the key goes to the next', async () => {
  await using wire = await startWire();
  using holder = new ClaimClient(wire.address, 'a');
  holder.acquire(1, 'k');
  await answered(holder, 1);
  const leaving = new ClaimClient(wire.address, 'b');
  leaving.acquire(1, 'k');
  await answered(leaving, 1);
  using next = new ClaimClient(wire.address, 'c');
  next.acquire(1, 'k');
  await answered(next, 1);
  leaving.stream.end();
  await eventually(() => leaving.ended);
  holder.ask({ kind: 'release', id: 2, key: 'k', fence: 1 });
  await answered(next, 2);
  expect(next.answers[1]).toMatchObject({ kind: 'granted' });
  leaving[Symbol.dispose]();
});

test.each([
  ['names no sidecar', '', [], /names no sidecar_id/],
  ['has an operation without a key', 'bad', [{ id: 1n, key: '', operation: undefined }], /no key or no operation/],
])('a stream that %s ends with a clear message, others live on', async (_, sidecarId, operations, message) => {
  await using wire = await startWire();
  using other = new ClaimClient(wire.address, 'good');
  using bad = new ClaimClient(wire.address, sidecarId);
  bad.stream.write({ sidecarId: '', operations });
  await eventually(() => bad.error !== null);
  expect(bad.error).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringMatching(message) });
  other.acquire(1, 'k');
  await answered(other, 1);
});

test('bytes that are no request end the stream with a clear message', async () => {
  await using wire = await startWire();
  const client = new Client(wire.address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(
    '/trotline.v1.ClaimService/Claim',
    (bytes: Buffer) => bytes,
    (bytes) => bytes,
  );
  const error = new Promise((resolve) => stream.once('error', resolve));
  stream.write(Buffer.from([0x0a, 0xff]));
  expect(await error).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('cannot be decoded'),
  });
  client.close();
});

test('when claims were not stored every stream ends, so that all ask again', async () => {
  let reset = (): void => undefined;
  const failing = (store: Store): Store => ({
    ...store,
    onClaimsReset: (listener) => void (reset = listener),
    claim: () => {
      reset();
      return Promise.reject(new AppError('STORE_FAILED', 'disk is full'));
    },
  });
  await using wire = await startWire(failing);
  using waiting = new ClaimClient(wire.address, 'a');
  using asking = new ClaimClient(wire.address, 'b');
  await eventually(() => wire.store !== null);
  waiting.ask();
  asking.acquire(1, 'k');
  await eventually(() => asking.error !== null);
  expect(asking.error).toMatchObject({ code: status.UNAVAILABLE });
});

import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';

import { AppError } from '#core';

import type { Store } from '../../../control-plane/store/index.ts';
import { eventually } from '../../kit/eventually.ts';
import { batch, HOOK, outcomes } from './kit/reports.ts';
import { ReportClient, startWire } from './kit/wire.ts';

test('what is reported is acknowledged by sequence once it is stored', async () => {
  await using wire = await startWire();
  using client = new ReportClient(wire.address);
  client.publish(outcomes(1, 3), 's', 'node-1');
  client.publish(outcomes(4, 5));
  await eventually(() => client.acknowledged.at(-1) === 5);
  expect(client.acknowledged).toEqual([0, 3, 5]);
  expect(await wire.store.resumeReports('s', 'node-1', 0)).toBe(5);
});

test('a new stream hears first what is stored, and sends the rest twice without harm', async () => {
  await using wire = await startWire();
  const before = new ReportClient(wire.address);
  before.publish(outcomes(1, 5), 's', 'node-1');
  await eventually(() => before.acknowledged.at(-1) === 5);
  before[Symbol.dispose]();
  using after = new ReportClient(wire.address);
  after.publish(batch(), 's', 'node-1');
  await eventually(() => after.acknowledged.length === 1);
  expect(after.acknowledged).toEqual([5]);
  after.publish(outcomes(4, 7));
  await eventually(() => after.acknowledged.at(-1) === 7);
  expect((await wire.store.ledger())[0]?.stored).toEqual({ [HOOK]: { delivered: 7 } });
});

test('two sidecars report beside each other, each with its own sequence', async () => {
  await using wire = await startWire();
  using first = new ReportClient(wire.address);
  using second = new ReportClient(wire.address);
  first.publish(outcomes(1, 10), 'a', 'node-1');
  second.publish(outcomes(1, 4), 'b', 'node-2');
  await eventually(() => first.acknowledged.at(-1) === 10 && second.acknowledged.at(-1) === 4);
});

test('a hole ends the stream with what was expected, others live on', async () => {
  await using wire = await startWire();
  using bad = new ReportClient(wire.address);
  using good = new ReportClient(wire.address);
  bad.publish(outcomes(2, 3), 'a', 'node-1');
  await eventually(() => bad.error !== null);
  expect(bad.error).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('expected 1, got 2'),
  });
  good.publish(outcomes(1, 1), 'b', 'node-2');
  await eventually(() => good.acknowledged.at(-1) === 1);
});

test('a first report without a sidecar is refused', async () => {
  await using wire = await startWire();
  using client = new ReportClient(wire.address);
  client.publish(batch());
  await eventually(() => client.error !== null);
  expect(client.error).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining('names no sidecar_id'),
  });
});

test('what cannot be stored is not acknowledged and may be sent again', async () => {
  let failing = true;
  const wrap = (store: Store): Store => ({
    ...store,
    report: (...args) =>
      failing ? Promise.reject(new AppError('STORE_FAILED', 'disk is full')) : store.report(...args),
  });
  await using wire = await startWire(wrap);
  using client = new ReportClient(wire.address);
  client.publish(outcomes(1, 1), 's', 'node-1');
  await eventually(() => client.error !== null);
  expect(client.error).toMatchObject({ code: status.UNAVAILABLE, details: 'disk is full' });
  expect(client.acknowledged).toEqual([0]);
  failing = false;
  using again = new ReportClient(wire.address);
  again.publish(outcomes(1, 1), 's', 'node-1');
  await eventually(() => again.acknowledged.at(-1) === 1);
});

test('a sidecar that ends its stream hears of all it sent before the end', async () => {
  await using wire = await startWire();
  using client = new ReportClient(wire.address);
  client.publish(outcomes(1, 2), 's', 'node-1');
  client.stream.end();
  await eventually(() => client.ended);
  expect(client.acknowledged).toEqual([0, 2]);
});

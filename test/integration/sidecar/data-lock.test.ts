import { describe, expect, it } from 'vitest';

import { type Log, systemClock } from '#core';

import { DataLock } from '../../../sidecar/data-lock.ts';
import { silentLog } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';
import { temporaryFolder, testClock } from '../../unit/sidecar/kit.ts';

const going = new AbortController().signal;

describe('the data folder of a sidecar', () => {
  it('is the next one’s as soon as the former has ended', async () => {
    using folder = temporaryFolder();
    const parts = { data: folder.path, clock: systemClock };
    const said: string[] = [];
    const warn = (_fields: object, message: string): void => void said.push(message);
    const log: Log = { ...silentLog, warn };
    const first = new DataLock({ ...parts, log: silentLog });
    const second = new DataLock({ ...parts, log });
    await first.start(going);
    const started = second.start(going);
    await eventually(() => expect(said).toEqual(['waiting for another sidecar to end']));
    await first.stop();
    await started;
    expect(said).toHaveLength(1);
    await second.stop();
  });

  it('is refused while another sidecar goes on, with its process', async () => {
    using folder = temporaryFolder();
    const clock = testClock();
    const first = new DataLock({ data: folder.path, clock, log: silentLog });
    await first.start(going);
    let refusal = '';
    const second = new DataLock({ data: folder.path, clock, log: silentLog });
    void second.start(going).catch((error: unknown) => (refusal = String(error)));
    await eventually(async () => {
      await clock.pass(16_000);
      expect(refusal).toContain(`is in use by another sidecar (process ${process.pid})`);
    });
    await first.stop();
  });
});

import { describe, expect, it } from 'vitest';

import { type Health, parseConfig } from '#core';

import { createKubernetes } from '../../../../../plugins/sources/kubernetes/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';
import { checkSourceContract } from '../../../../kit/contract.ts';
import { apiServer, podOf, restarted } from './kit.ts';

const { access, say } = apiServer();
checkSourceContract(createKubernetes(access), {}, { provoke: () => say('pods', restarted(podOf({ name: 'web' }))) });

describe('a life of the kubernetes source', () => {
  it('hears nothing where there is no cluster, and says so', async () => {
    const healths: Health[] = [];
    const source = createKubernetes(async () => null).create(parseConfig(createKubernetes(access).config, {}, 'test'), {
      node: 'node-1',
      clock: manualClock(),
      log: silentLog,
      emit: async () => undefined,
      lost: () => undefined,
      memory: memoryOf(),
      ...unasked,
      report: (health) => void healths.push(health),
    });
    await source.start?.(new AbortController().signal);
    await source.stop?.();
    expect(healths).toEqual([{ status: 'ok', hears: 'nothing: this machine is in no cluster' }]);
  });
});

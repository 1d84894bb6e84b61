import { createChannel } from '../../../sidecar/channel.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ServerDuplexStream } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';

import { createHook, EventHookSpec, type Hook, hookId, parseConfig, Supervisor, systemClock } from '#core';
import { ApplyState, type ConfigServiceServer, ConfigServiceService, convert } from '#proto';
import type { Applied, HookSet, WatchRequest, WatchResponse } from '#proto';

import { createGrpcServer } from '../../../control-plane/server.ts';
import { ConfigClient } from '../../../sidecar/config-client.ts';
import { silentLog } from '../../kit/action-context.ts';
import { eventually } from '../../kit/eventually.ts';

function hook(name: string, spec: object = {}): Hook {
  const actions = [{ type: 'script', config: { command: ['/bin/true'] } }];
  const parsed = parseConfig(EventHookSpec, { actions, ...spec }, 'test');
  return createHook({ namespace: 'trotline', name, form: 'EventHook', spec: parsed, origin: null });
}

/** A control plane that says what the test tells it to, and a sidecar's client of it that applies whatever it can read. */
async function wire(running: readonly Hook[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'config-wire-'));
  const address = `unix:${join(folder, 'control-plane.sock')}`;
  const streams: ServerDuplexStream<WatchRequest, WatchResponse>[] = [];
  const answers: Applied[] = [];
  const applied: Hook[][] = [];
  const service: ConfigServiceServer = {
    watch(stream) {
      streams.push(stream);
      stream.on('data', ({ message }: WatchRequest) => {
        if (message?.$case === 'applied') answers.push(message.value);
      });
      stream.on('end', () => stream.end());
    },
  };
  const supervisor = new Supervisor();
  const services = [{ definition: ConfigServiceService, implementation: service }];
  supervisor.add('server', createGrpcServer({ address, services, log: silentLog }));
  supervisor.add(
    'client',
    new ConfigClient({
      channel: createChannel({ controlPlane: address }),
      sidecarId: 'id',
      node: 'n',
      version: '0',
      plugins: [],
      clock: systemClock,
      log: silentLog,
      held: () => ({ version: '', fates: [] }),
      runs: (id) => running.find((one) => hookId(one) === id),
      apply: (_version, hooks, refused) => {
        applied.push([...hooks]);
        return Promise.resolve([...hooks.map((one) => ({ hook: one, failure: null })), ...refused]);
      },
    }),
  );
  await supervisor.start();
  await eventually(() => streams.length > 0);
  return {
    answers,
    applied,
    push: (set: Partial<HookSet>) =>
      void streams.at(-1)?.write({ hookSet: { version: '', nonce: '', hooks: [], explicitlyEmpty: false, ...set } }),
    async [Symbol.asyncDispose]() {
      await supervisor.stop();
      await rm(folder, { recursive: true });
    },
  };
}

describe('a hook set on the wire', () => {
  it('is taken hook by hook: one that is none is answered with why, the others run', async () => {
    await using test = await wire();
    const good = convert.hookToProto(hook('good'));
    const bad = [
      { ...good, name: 'no-json', specJson: '{' },
      { ...good, name: 'bad-spec', specJson: '{"actions":[],"typo":1}' },
      { ...good, name: 'form', form: 'Else' },
    ];
    test.push({ version: 'v1', nonce: 'n1', hooks: [...bad, good] });
    await eventually(() => test.answers.some(({ state }) => state === ApplyState.APPLY_STATE_APPLIED));
    expect(test.answers.map(({ state, version, nonce }) => [state, version, nonce])).toEqual([
      [ApplyState.APPLY_STATE_APPLYING, 'v1', 'n1'],
      [ApplyState.APPLY_STATE_APPLIED, 'v1', 'n1'],
    ]);
    expect(test.applied.flat().map(({ name }) => name)).toEqual(['good']);
    const failures = new Map(test.answers[1]?.hooks.map(({ name, failure }) => [name, failure]));
    expect(failures.get('good')).toBe('');
    expect(failures.get('no-json')).toContain('JSON');
    expect(failures.get('bad-spec')).toContain('/typo is not a known key');
    expect(failures.get('form')).toContain('"Else"');
  });

  it('that is empty without saying so is refused whole', async () => {
    await using test = await wire();
    test.push({ version: 'v1', nonce: 'n1' });
    await eventually(() => test.answers.length === 2);
    expect(test.answers[1]).toMatchObject({
      state: ApplyState.APPLY_STATE_FAILED,
      reason: 'the set is empty without saying so',
    });
    test.push({ version: 'v2', nonce: 'n2', explicitlyEmpty: true });
    await eventually(() => test.answers.length === 4);
    expect(test.answers[3]).toMatchObject({ state: ApplyState.APPLY_STATE_APPLIED, version: 'v2' });
    expect(test.applied).toEqual([[]]);
  });

  it('is not read again where a hook already runs with the same digest', async () => {
    const running = hook('same');
    await using test = await wire([running]);
    const changed = hook('changed', { mode: 'audit' });
    test.push({ version: 'v1', nonce: 'n1', hooks: [running, changed].map(convert.hookToProto) });
    await eventually(() => test.applied.length === 1);
    expect(test.applied[0]?.[0]).toBe(running);
    expect(test.applied[0]?.[1]).toEqual(changed);
  });
});

import { describe, expect, it } from 'vitest';

import { parseConfig } from '#core';

import { createNetlink } from '../../../../../plugins/sources/netlink/index.ts';
import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';
import { checkSourceContract } from '../../../../kit/contract.ts';
import { FakeReader, linkOf, listening, starting, typesOf } from './kit.ts';

class AnsweringReader extends FakeReader {
  override dump(netns = -1): number {
    const dump = super.dump(netns);
    setImmediate(() => this.answer());
    return dump;
  }
}

const readers: AnsweringReader[] = [];
const answering = createNetlink((options) => {
  const reader = new AnsweringReader(options);
  readers.push(reader);
  return reader;
});
checkSourceContract(answering, { namespaces: 'own' }, { provoke: () => readers.at(-1)?.say(linkOf()) });

describe('a life of the netlink source', () => {
  it('numbers its events from 1 without a hole', async () => {
    const { hear } = await listening([linkOf()]);
    const events = await hear(...Array.from({ length: 1000 }, (_, index) => linkOf({ mtu: index })));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events).toHaveLength(1000);
  });

  it('lets others have the event loop in a long burst', async () => {
    const { reader, events, settled } = await listening([linkOf()]);
    reader.say(...Array.from({ length: 5000 }, (_, index) => linkOf({ mtu: index })));
    await settled();
    expect(events.length).toBeGreaterThan(0);
    expect(events.length).toBeLessThan(5000);
  });

  it('takes nothing more from the reader while what it emitted is not journaled', async () => {
    const gate = Promise.withResolvers<void>();
    const { reader, events, settled } = await listening([linkOf()], { emit: () => gate.promise });
    reader.say(...Array.from({ length: 600 }, (_, index) => linkOf({ mtu: index })));
    await settled();
    expect(reader.read(1000)).toHaveLength(600 - 128);
    expect(events).toEqual([]);
    gate.resolve();
    await settled();
    expect(events).toHaveLength(128);
  });

  it('emits what it had in hand before stop resolves, and nothing after', async () => {
    const gate = Promise.withResolvers<void>();
    const { source, reader, events, settled } = await listening([linkOf()], { emit: () => gate.promise });
    reader.say(linkOf({ mtu: 1 }));
    await settled();
    let stopped = false;
    const stop = source.stop?.().then(() => (stopped = true));
    await settled();
    expect(stopped).toBe(false);
    gate.resolve();
    await stop;
    expect(typesOf(events)).toEqual(['link-changed']);
    expect(reader.closed).toBe(true);
    await source.stop?.();
  });

  it('ends a start that is given up', async () => {
    const { source, started, giveUp, reader, health } = await starting();
    giveUp(new Error('not now'));
    await expect(started).rejects.toThrow('not now');
    await source.stop?.();
    expect(reader.closed).toBe(true);
    expect(health).toEqual([]);
  });

  it('opens nothing for a start that was given up before', async () => {
    const before = readers.length;
    const context = { node: 'node-1', clock: manualClock(), log: silentLog, emit: async () => undefined };
    const source = answering.create(parseConfig(answering.config, { namespaces: 'own' }, 'source "netlink"'), {
      ...context,
      lost: () => undefined,
      memory: memoryOf(),
      ...unasked,
      report: () => undefined,
    });
    await expect(source.start?.(AbortSignal.abort(new Error('not now')))).rejects.toThrow('not now');
    expect(readers).toHaveLength(before);
  });

  it('fails when the socket does, after all that was heard', async () => {
    const { hear, health } = await listening([linkOf()]);
    expect(typesOf(await hear(linkOf({ mtu: 1 }), { kind: 'failure', errno: 9 }))).toEqual(['link-changed']);
    const message = 'the netlink socket failed (EBADF: bad file descriptor)';
    expect(health).toMatchObject([{ status: 'failed', error: { message } }]);
  });

  it('does not start when the socket fails first', async () => {
    const { reader, started } = await starting();
    reader.say({ kind: 'failure', errno: 9 });
    await expect(started).rejects.toThrow('EBADF');
  });

  it.each([32, 104])('says that the opener ended when its line does, with error %s', async (errno) => {
    const { hear, health } = await listening([linkOf()]);
    await hear({ kind: 'failure', errno });
    const message = 'the opener ended: network namespaces are not heard until it is started again';
    expect(health).toMatchObject([{ status: 'failed', error: { message } }]);
  });

  it.each([
    ['degraded', { receiveBufferBytes: 425_984 }],
    [undefined, { receiveBufferBytes: 67_108_864 }],
  ])('is %s by what the kernel gave it of its buffer', async (status, stat) => {
    const { health } = await listening([], { stat });
    expect(health[0]?.status).toBe(status);
    if (status === undefined) return;
    const reason = expect.stringMatching(/^receive buffer is 212992 bytes instead of 33554432 .*CAP_NET_ADMIN/);
    expect(health).toMatchObject([{ reason }]);
  });
});

describe('the proof that it still hears', () => {
  it('is an echo after 10 s of silence, without an event', async () => {
    const { reader, pass, hear, events } = await listening([linkOf()]);
    await pass(9999);
    expect(reader.echoes).toBe(0);
    await pass(1);
    expect(reader.echoes).toBe(1);
    await hear({ kind: 'echo' });
    await pass(10_000);
    expect(events).toEqual([]);
  });

  it('is not asked for while messages come', async () => {
    const { reader, pass, hear } = await listening([linkOf()]);
    for (let second = 0; second < 60; second++) {
      await hear(linkOf());
      await pass(1000);
    }
    expect(reader.echoes).toBe(0);
  });

  it('names a deaf source 20 s after its last message', async () => {
    const { pass, health } = await listening([linkOf()]);
    await pass(10_000);
    await pass(9999);
    expect(health).toEqual([]);
    await pass(1);
    expect(health).toMatchObject([
      { status: 'failed', error: { message: expect.stringMatching(/^the kernel does not answer: nothing heard/) } },
    ]);
  });

  it('ends a start whose dump is never answered', async () => {
    const { started, pass } = await starting();
    await pass(10_000);
    await pass(10_000);
    await expect(started).rejects.toThrow('the kernel does not answer');
  });

  it('ends a start whose dumps are all refused, while echoes are answered', async () => {
    const { reader, started, pass, hear } = await starting();
    for (let second = 0; second < 30; second++) {
      await hear(reader.end({ errno: 16 }), { kind: 'echo' });
      await pass(1000);
    }
    await expect(started).rejects.toThrow('did not list what exists within 30 s');
  });

  it('waits while what came is still being worked off', async () => {
    const gate = Promise.withResolvers<void>();
    const { reader, pass, health } = await listening([linkOf()], { emit: () => gate.promise });
    reader.say(linkOf({ mtu: 1 }));
    await pass(0);
    for (let round = 0; round < 6; round++) await pass(10_000);
    expect(health).toEqual([]);
    gate.resolve();
  });
});

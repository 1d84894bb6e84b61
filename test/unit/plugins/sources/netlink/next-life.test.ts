import { describe, expect, it } from 'vitest';

import { parseConfig } from '#core';

import { createNetlink } from '../../../../../plugins/sources/netlink/index.ts';
import type { LinkRecord } from '#native';

import { manualClock, memoryOf, silentLog, unasked } from '../../../../kit/action-context.ts';
import { attributeOf, FakeReader, linkOf, type Listening, listening, type Starting, starting, typesOf } from './kit.ts';

const gone = linkOf({ ifname: 'gone0', ifindex: 5 });
const stays = linkOf({ ifname: 'stays0', ifindex: 6 });
const comes = linkOf({ ifname: 'new0', ifindex: 9 });

async function failed(life: Listening): Promise<Starting> {
  await life.hear({ kind: 'failure', errno: 105 });
  await life.source.stop?.();
  const next = await life.again();
  await next.settled();
  return next;
}

async function answered(life: Starting, ...rows: LinkRecord[]): Promise<Starting> {
  life.reader.answer(...rows);
  await life.started;
  await life.settled();
  return life;
}

describe('the life after one that failed', () => {
  it('tells an uncounted loss, what is different now, and the end of it', async () => {
    const { events, lost } = await answered(await failed(await listening([gone, stays])), stays, comes);
    expect(events.map(({ type, interface: name, sequence }) => `${sequence} ${type} ${name}`)).toEqual([
      '1 netlink.overflow ',
      '2 netlink.link-added new0',
      '3 netlink.link-deleted gone0',
      '4 netlink.resynced ',
    ]);
    expect(events.map(({ synthetic }) => synthetic)).toEqual([true, true, true, true]);
    expect(events.map((event) => attributeOf(event, 'resynced'))).toEqual([undefined, true, true, undefined]);
    expect(events[0]).toMatchObject({
      subject: 'messages lost, their number is unknown',
      attributes: { 'netlink.overflow.lost': 0 },
    });
    expect(events[3]?.attributes).toEqual({ 'netlink.overflow.lost': 0, 'netlink.resynced.differences': 2 });
    expect(lost).toEqual([]);
  });

  it('tells the same after deafness, which is found late', async () => {
    const deaf = await listening([gone]);
    await deaf.pass(10_000);
    await deaf.pass(10_000);
    expect(deaf.health).toMatchObject([{ status: 'failed' }]);
    await deaf.source.stop?.();
    const next = await deaf.again();
    await next.settled();
    const { events } = await answered(next);
    expect(typesOf(events)).toEqual(['overflow', 'link-deleted', 'resynced']);
  });

  it('compares a message that comes before its dump with what the old one knew', async () => {
    const next = await failed(await listening([stays]));
    await next.hear({ ...stays, mtu: 9000 });
    const { events } = await answered(next, { ...stays, mtu: 9000 });
    expect(typesOf(events)).toEqual(['overflow', 'link-changed', 'resynced']);
    expect(attributeOf(events[1], 'link.changed')).toBe('mtu');
  });

  it('hands on what it was given when it fails before its dump', async () => {
    const second = await failed(await listening([gone]));
    const { events } = await answered(await failed(second));
    expect(typesOf(events)).toEqual(['overflow', 'link-deleted', 'resynced']);
  });

  it('leaves what it was given to the next one when its reader does not open', async () => {
    const readers: FakeReader[] = [];
    const events: string[] = [];
    let refuses = false;
    const definition = createNetlink((options) => {
      if (refuses) throw new Error('no socket');
      const reader = new FakeReader(options);
      readers.push(reader);
      setImmediate(() => reader.answer(...(readers.length === 1 ? [gone] : [])));
      return reader;
    });
    const live = () =>
      definition.create(parseConfig(definition.config, { namespaces: 'own' }, 'source "netlink"'), {
        node: 'node-1',
        clock: manualClock(),
        log: silentLog,
        emit: async (some) => void events.push(...typesOf(some)),
        lost: () => undefined,
        memory: memoryOf(),
        ...unasked,
        report: () => undefined,
      });
    const signal = new AbortController().signal;
    const first = live();
    await first.start?.(signal);
    readers[0]?.say({ kind: 'failure', errno: 105 });
    await new Promise((resolve) => setImmediate(resolve));
    await first.stop?.();
    refuses = true;
    await expect(live().start?.(signal)).rejects.toThrow('no socket');
    refuses = false;
    await live().start?.(signal);
    expect(events).toEqual(['overflow', 'link-deleted', 'resynced']);
  });
});

describe('the life after one that was stopped', () => {
  it('begins with what it finds', async () => {
    const first = await listening([gone]);
    await first.source.stop?.();
    const next = await first.again();
    await next.settled();
    expect((await answered(next, comes)).events).toEqual([]);
  });

  it('begins so after a start that was given up, too', async () => {
    const first = await starting();
    first.giveUp(new Error('not now'));
    await expect(first.started).rejects.toThrow('not now');
    await first.source.stop?.();
    expect((await answered(await first.again(), comes)).events).toEqual([]);
  });
});

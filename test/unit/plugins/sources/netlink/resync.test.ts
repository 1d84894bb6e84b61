import { describe, expect, it } from 'vitest';

import type { LinkRecord, OverflowRecord } from '#native';

import { attributeOf, BRIDGE, linkOf, listening, rowOf, starting, typesOf, UP } from './kit.ts';

const overflow = (dropped: number): OverflowRecord => ({ kind: 'overflow', dropped });
const links = (...numbers: number[]): LinkRecord[] =>
  numbers.map((ifindex) => linkOf({ ifindex, ifname: `veth${ifindex}`, address: `02:00:00:00:00:0${ifindex}` }));

/** Some time after its first dump, so that the next one need not wait. */
async function settledIn(known: readonly LinkRecord[]) {
  const all = await listening(known);
  await all.pass(1000);
  return all;
}

describe('the first dump', () => {
  it('makes no event', async () => {
    const { events } = await listening(links(1, 2, 3));
    expect(events).toEqual([]);
  });

  it('is repeated when it was broken, and still makes none', async () => {
    const { reader, events, started, pass, hear } = await starting();
    await hear(...links(1).map((row) => rowOf(row, 1)), reader.end({ interrupted: true }));
    await pass(100);
    expect(reader.dumps).toBe(2);
    await hear(reader.end({ errno: 16 }));
    await pass(200);
    reader.answer(...links(1, 2));
    await started;
    expect(reader.dumps).toBe(3);
    expect(events).toEqual([]);
  });

  it('does not bring back a link that was deleted meanwhile', async () => {
    const { hear, reader } = await starting();
    await hear(linkOf({ messageType: 17 }));
    await hear(...links(5).map((row) => rowOf(row, 1)), reader.end());
    expect(typesOf(await hear(linkOf()))).toEqual(['link-added']);
  });
});

describe('a loss', () => {
  it('is told with its count, uses up numbers, and is not counted as heard', async () => {
    const { hear, lost } = await listening(links(5));
    const [before, notice] = await hear(linkOf({ mtu: 1 }), overflow(7));
    expect(before?.sequence).toBe(1);
    expect(notice).toMatchObject({ type: 'netlink.overflow', sequence: 9, synthetic: true, interface: '' });
    expect(notice).toMatchObject({ messageType: 0, eventType: 0, attributes: { 'netlink.overflow.lost': 7 } });
    expect(lost).toEqual([7]);
  });

  it('is counted after what was heard before it', async () => {
    const order: string[] = [];
    const emit = async (events: readonly { readonly type: string }[]) => void order.push(...events.map((e) => e.type));
    const all = await listening(links(5), { emit });
    const push = all.lost.push.bind(all.lost);
    all.lost.push = (count) => {
      order.push('lost');
      return push(count);
    };
    await all.hear(linkOf({ mtu: 1 }), overflow(7));
    expect(order).toEqual(['netlink.link-changed', 'lost', 'netlink.overflow']);
  });

  it('that the kernel did not count is told all the same', async () => {
    const { hear, lost, reader } = await settledIn([]);
    expect(await hear(overflow(0))).toMatchObject([{ type: 'netlink.overflow', sequence: 1 }]);
    expect(lost).toEqual([]);
    expect(reader.dumps).toBe(2);
  });

  it('of many gaps in a batch is one event with the sum', async () => {
    const { hear, lost } = await listening(links(5));
    const events = await hear(overflow(1), linkOf({ mtu: 1 }), overflow(2), overflow(0), overflow(3));
    expect(typesOf(events)).toEqual(['link-changed', 'overflow']);
    expect(attributeOf(events[1], 'overflow.lost')).toBe(6);
    expect(lost).toEqual([6]);
  });

  it('that comes again and again asks for few dumps', async () => {
    const { hear, reader, pass } = await listening(links(5));
    for (let burst = 0; burst < 200; burst++) {
      await hear(...Array.from({ length: 20 }, () => overflow(1)), reader.end());
      await pass(1);
    }
    expect(reader.dumps).toBeGreaterThan(1);
    expect(reader.dumps).toBeLessThanOrEqual(5);
    await pass(100);
    reader.answer(...links(5));
    await pass(0);
    expect(typesOf(await hear(linkOf({ mtu: 1 })))).toEqual(['link-changed']);
  });
});

describe('the resync after a loss', () => {
  it('tells what was added, changed, and deleted while deaf, and what it all was', async () => {
    const { hear, reader, events, settled } = await settledIn(links(1, 2, 3));
    await hear(overflow(4));
    const [one, , three] = links(1, 2, 3);
    reader.answer(one!, { ...three!, flags: three!.flags | UP }, ...links(4));
    await settled();
    const [, ...found] = events;
    expect(found.map((event) => [event.type, event.interface, event.messageType])).toEqual([
      ['netlink.link-up', 'veth3', 16],
      ['netlink.link-added', 'veth4', 16],
      ['netlink.link-deleted', 'veth2', 17],
      ['netlink.resynced', '', 0],
    ]);
    expect(found.map((event) => event.synthetic)).toEqual([true, true, true, true]);
    expect(found.map((event) => attributeOf(event, 'resynced'))).toEqual([true, true, true, undefined]);
    expect(found.map((event) => event.sequence)).toEqual([6, 7, 8, 9]);
    expect(found[3]?.attributes).toEqual({ 'netlink.overflow.lost': 4, 'netlink.resynced.differences': 3 });
    expect(found[2]?.attributes).toMatchObject({ 'netlink.msg_type': 17, 'netlink.link.ifindex': 2 });
    expect(attributeOf(found[2], 'seq')).toBeUndefined();
  });

  it('says so when nothing differs', async () => {
    const { hear, reader, events, settled } = await settledIn(links(1));
    await hear(overflow(4), overflow(1));
    reader.answer(...links(1));
    await settled();
    expect(typesOf(events)).toEqual(['overflow', 'resynced']);
    expect(events[1]?.attributes).toEqual({ 'netlink.overflow.lost': 5, 'netlink.resynced.differences': 0 });
  });

  it('tells a difference once, also when its dump was broken and came again', async () => {
    const { hear, reader, events, pass } = await settledIn(links(1));
    await hear(overflow(4));
    await hear(...links(1, 2).map((row) => rowOf(row, 2)), reader.end({ interrupted: true }));
    await pass(100);
    reader.answer(...links(1, 2));
    await pass(0);
    expect(typesOf(events)).toEqual(['overflow', 'link-added', 'resynced']);
    expect(attributeOf(events[2], 'resynced.differences')).toBe(1);
  });

  it('counts only what came since the one before', async () => {
    const { hear, reader, events, pass } = await settledIn(links(1));
    for (const [lost, known] of [
      [4, [1, 2]],
      [1, [1, 2, 3]],
    ] as const) {
      await hear(overflow(lost));
      reader.answer(...links(...known));
      await pass(100);
    }
    const resyncs = events.filter(({ type }) => type === 'netlink.resynced');
    expect(resyncs.map(({ attributes }) => attributes)).toEqual([
      { 'netlink.overflow.lost': 4, 'netlink.resynced.differences': 1 },
      { 'netlink.overflow.lost': 1, 'netlink.resynced.differences': 1 },
    ]);
  });

  it('ends only with a dump that no loss ran beside', async () => {
    const { hear, reader, events, pass } = await settledIn(links(1));
    await hear(overflow(4));
    await hear(overflow(5), reader.end());
    expect(typesOf(events)).toEqual(['overflow', 'overflow']);
    await pass(100);
    reader.answer(...links(1));
    await pass(0);
    expect(attributeOf(events[2], 'overflow.lost')).toBe(9);
  });

  it('believes the notification where a row is older', async () => {
    const { hear, reader, events } = await settledIn(links(1));
    await hear(overflow(4));
    const [one] = links(1);
    await hear({ ...one!, mtu: 9000 }, rowOf(one!, 2), reader.end());
    expect(typesOf(events)).toEqual(['overflow', 'link-changed', 'resynced']);
  });

  it('still takes the row of a link that only its bridge spoke of', async () => {
    const { hear, reader, events } = await settledIn(links(1));
    await hear(overflow(4));
    const [one] = links(1);
    await hear({ ...one!, family: BRIDGE }, { ...one!, group: 9, dump: 2 }, reader.end());
    expect(typesOf(events)).toEqual(['overflow', 'link-changed', 'link-changed', 'resynced']);
    expect(events.map((event) => attributeOf(event, 'link.changed'))).toEqual([undefined, '', 'group', undefined]);
  });

  it('tells a number that was given to another link as one deleted and one added', async () => {
    const { hear, reader, events, settled } = await settledIn(links(5));
    await hear(overflow(4));
    reader.answer(linkOf({ ifname: 'br0', linkKind: 'bridge' }));
    await settled();
    expect(events.map(({ type, interface: name }) => `${type} ${name}`)).toEqual([
      'netlink.overflow ',
      'netlink.link-deleted veth5',
      'netlink.link-added br0',
      'netlink.resynced ',
    ]);
  });

  it('tells a rename while deaf as a change', async () => {
    const { hear, reader, events, settled } = await settledIn([linkOf()]);
    await hear(overflow(4));
    reader.answer(linkOf({ ifname: 'uplink' }));
    await settled();
    expect(typesOf(events)).toEqual(['overflow', 'link-changed', 'resynced']);
  });
});

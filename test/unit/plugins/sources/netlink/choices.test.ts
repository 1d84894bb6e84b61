import { describe, expect, it } from 'vitest';

import { attributeOf, BRIDGE, linkOf, listening, starting, typesOf } from './kit.ts';
import { addressOf, LISTED, neighbourOf, netnsOf, routeOf, ruleOf } from './records.ts';

describe('repeats: suppress', () => {
  const config = { repeats: 'suppress' };
  const known = [linkOf(), addressOf(), routeOf(), neighbourOf(), ruleOf()];

  it('makes no event of a message that changes nothing that is watched', async () => {
    const { hear } = await listening(known, { config });
    expect(await hear(...known, linkOf({ carrierChanges: 9 }), linkOf({ family: BRIDGE }))).toEqual([]);
  });

  it('uses up no number for it, so that a gap still is a loss', async () => {
    const { hear } = await listening(known, { config });
    const events = await hear(linkOf({ mtu: 1 }), linkOf({ mtu: 1 }), linkOf({ mtu: 2 }));
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it('keeps what comes, goes and changes', async () => {
    const { hear } = await listening(known, { config });
    const events = await hear(
      linkOf({ flags: 0x1003 }),
      addressOf({ metric: 1 }),
      routeOf({ priority: 1 }),
      neighbourOf({ messageType: 29 }),
      ruleOf({ messageType: 33 }),
    );
    expect(typesOf(events)).toEqual(['link-up', 'addr-changed', 'route-added', 'neigh-deleted', 'rule-deleted']);
  });

  it('is not the default', async () => {
    const { hear } = await listening(known);
    expect(await hear(...known)).toHaveLength(5);
  });
});

describe('snapshot: true', () => {
  const config = { namespaces: 'all', snapshot: true };

  it('tells all that exists, by namespace, links first', async () => {
    const life = await starting({ config });
    life.reader.say(netnsOf(1, 'found', 'blue'), LISTED);
    await life.settled();
    const rows = [ruleOf(), neighbourOf(), routeOf(), addressOf(), linkOf()];
    life.reader.say(...rows.map((row) => ({ ...row, dump: 1 })), life.reader.end({ dump: 1, netns: -1 }));
    life.reader.say({ ...linkOf({ netns: 1, ifname: 'b0' }), dump: 2 }, life.reader.end({ dump: 2, netns: 1 }));
    await life.started;
    expect(new Set(typesOf(life.events))).toEqual(new Set(['snapshot']));
    expect(life.events.map(({ namespace, subject }) => `${namespace}|${subject}`)).toEqual([
      '|veth5',
      '|10.0.0.1/24 veth5',
      '|10.2.0.0/16 via 10.0.0.2 dev veth5',
      '|10.0.0.7 veth5',
      '|rule 100 from 10.8.0.0/16 to all',
      'blue|b0',
    ]);
    expect(life.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(life.events.map(({ eventType }) => eventType)).toEqual([1, 2, 3, 4, 5, 1]);
    expect(life.events.every(({ synthetic, messageType }) => synthetic && messageType % 4 === 0)).toBe(true);
    expect(attributeOf(life.events[0], 'seq')).toBeUndefined();
    expect(attributeOf(life.events[0], 'resynced')).toBeUndefined();
  });

  it('tells more than one batch of it', async () => {
    const links = Array.from({ length: 300 }, (_, ifindex) => linkOf({ ifindex, ifname: `veth${ifindex}` }));
    const batches: number[] = [];
    const emit = async (events: readonly object[]) => void batches.push(events.length);
    const { events } = await listening(links, { config: { snapshot: true }, emit });
    expect(events.map(({ subject }) => subject)).toEqual(links.map(({ ifname }) => ifname));
    expect(batches).toEqual([128, 128, 44]);
  });

  it('is not the default', async () => {
    expect((await listening([linkOf()])).events).toEqual([]);
  });
});

describe('families and namespaces', () => {
  it('reach the reader: all of them, unless told otherwise', async () => {
    const { reader } = await starting({ config: { namespaces: 'all' } });
    expect(reader.options).toMatchObject({
      fd: null,
      opener: 3,
      families: ['link', 'address', 'route', 'neighbour', 'rule'],
      receiveBufferBytes: 33_554_432,
    });
  });

  it('reach the reader: some, in its order', async () => {
    const { reader } = await listening([], { config: { families: ['rule', 'addr'], receiveBuffer: 4096 } });
    expect(reader.options).toMatchObject({ opener: null, families: ['address', 'rule'], receiveBufferBytes: 4096 });
    expect(reader.lists).toBe(0);
  });
});

describe('dumps that are refused', () => {
  it('are asked for again after longer and longer pauses, up to 30 s', async () => {
    const life = await listening();
    await life.pass(1000);
    await life.hear({ kind: 'overflow', dropped: 1 });
    const pauses: number[] = [];
    for (let round = 0; round < 10; round++) {
      const { dumps } = life.reader;
      await life.hear(life.reader.end({ errno: 16 }), { kind: 'echo' });
      for (let waited = 0; life.reader.dumps === dumps; waited += 100) {
        if (waited > 40_000) throw new Error('no dump followed');
        await life.pass(100);
        // Proof that it hears, which is not what this test is about.
        life.reader.say({ kind: 'echo' });
        pauses[round] = waited + 100;
      }
    }
    expect(pauses).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    await life.hear(life.reader.end());
    await life.hear({ kind: 'overflow', dropped: 1 });
    await life.pass(100);
    await life.hear(life.reader.end({ interrupted: true }));
    const { dumps } = life.reader;
    await life.pass(100);
    expect(life.reader.dumps, 'one that succeeded ends the patience').toBe(dumps + 1);
  });
});

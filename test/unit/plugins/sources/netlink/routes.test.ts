import { describe, expect, it } from 'vitest';

import type { RouteRecord } from '#native';

import { attributeOf, linkOf, listening, typesOf } from './kit.ts';
import { addressOf, routeOf } from './records.ts';

const REPLACE = 0x100;

function sixOf(parts: Partial<RouteRecord> = {}): RouteRecord {
  const six = { family: 10, destination: 'fd01::/48', destinationLength: 48, gateway: 'fd00::2', priority: 1024 };
  return routeOf({ ...six, ...parts });
}

function hops(...gateways: string[]): Partial<RouteRecord> {
  return { gateway: null, oif: null, nexthops: gateways.map((via) => `via ${via} oif 5 weight 1`).join(', ') };
}

const gone = (route: RouteRecord): RouteRecord => ({ ...route, messageType: 25 });

describe('routes of one place', () => {
  const one = routeOf({ gateway: '10.0.0.2' });
  const two = routeOf({ gateway: '10.0.0.3' });

  it('are two where the second was added beside the first', async () => {
    const { hear } = await listening([linkOf(), one]);
    expect(typesOf(await hear(two, gone(one), gone(two)))).toEqual(['route-added', 'route-deleted', 'route-deleted']);
  });

  it.each([{ protocol: 4 }, { scope: 253 }, { preferredSource: '10.0.0.9' }])(
    'are two of IPv4 that differ in %j alone, and of IPv6 one',
    async (parts) => {
      const { hear } = await listening([linkOf(), one, sixOf()]);
      expect(typesOf(await hear(routeOf({ gateway: '10.0.0.2', ...parts }), gone(one)))).toEqual([
        'route-added',
        'route-deleted',
      ]);
      expect(typesOf(await hear(sixOf(parts)))).toEqual(['route-changed']);
    },
  );

  it('are one that changed where the second was put in the place of the first', async () => {
    const all = await listening([linkOf(), one]);
    const events = await all.hear({ ...two, metrics: 'mtu 1400', messageFlags: REPLACE });
    expect(typesOf(events)).toEqual(['route-changed']);
    expect(attributeOf(events[0], 'route.changed')).toBe('gateway,metrics');
    expect(attributeOf(events[0], 'route.gateway')).toBe('10.0.0.3');
    await all.pass(1000);
    await all.hear({ kind: 'overflow', dropped: 1 });
    all.reader.answer(linkOf(), { ...two, metrics: 'mtu 1400' });
    await all.settled();
    expect(typesOf(all.events.slice(2)), 'the first is forgotten').toEqual(['resynced']);
  });

  it('the first of them is the one that is replaced', async () => {
    const { hear } = await listening([linkOf(), one, two]);
    const third = routeOf({ gateway: null, oif: 6, messageFlags: REPLACE });
    const [event] = await hear(third);
    expect(attributeOf(event, 'route.changed')).toBe('oif,gateway');
    expect(typesOf(await hear(two, one))).toEqual(['route-changed', 'route-added']);
  });

  it('a replacement of what is not known is new', async () => {
    const { hear } = await listening([linkOf()]);
    expect(typesOf(await hear({ ...one, messageFlags: REPLACE }))).toEqual(['route-added']);
  });

  it.each([
    ['another table', { table: 100 }],
    ['another priority', { priority: 5 }],
    ['another type of service', { tos: 8 }],
    ['another destination', { destination: null, destinationLength: 0 }],
  ])('%s is another place', async (_what, parts) => {
    const { hear } = await listening([linkOf(), one]);
    expect(typesOf(await hear(routeOf({ ...parts, messageFlags: REPLACE })))).toEqual(['route-added']);
  });
});

describe('an IPv6 route', () => {
  it('has hops that come and go', async () => {
    const { hear } = await listening([linkOf(), sixOf()]);
    const both = sixOf(hops('fd00::2', 'fd00::3'));
    const events = await hear(both, gone(sixOf()), sixOf({ gateway: 'fd00::3' }), gone(sixOf({ gateway: 'fd00::3' })));
    expect(events.map((event) => [event.type.slice(8), attributeOf(event, 'route.changed')])).toEqual([
      ['route-changed', 'oif,gateway,nexthops'],
      ['route-deleted', undefined],
      ['route-changed', ''],
      ['route-deleted', undefined],
    ]);
    expect(typesOf(await hear(sixOf())), 'nothing of it is left').toEqual(['route-added']);
  });

  it('keeps the others where one of three hops goes', async () => {
    const { hear } = await listening([linkOf(), sixOf(hops('fd00::2', 'fd00::3', 'fd00::4'))]);
    const [, same] = await hear(gone(sixOf({ gateway: 'fd00::3' })), sixOf(hops('fd00::2', 'fd00::4')));
    expect(attributeOf(same, 'route.changed')).toBe('');
  });

  it('is gone with all of its hops at once, too', async () => {
    const { hear } = await listening([linkOf(), sixOf(hops('fd00::2', 'fd00::3'))]);
    const events = await hear(gone(sixOf(hops('fd00::2', 'fd00::3'))), sixOf());
    expect(typesOf(events)).toEqual(['route-deleted', 'route-added']);
  });

  it('without a gateway stands beside one that has one', async () => {
    const { hear } = await listening([linkOf(), sixOf()]);
    expect(typesOf(await hear(sixOf({ gateway: null })))).toEqual(['route-added']);
  });

  it('of a nexthop object is known by its number', async () => {
    const { hear } = await listening([linkOf(), sixOf({ nexthopId: 1 })]);
    expect(typesOf(await hear(sixOf({ nexthopId: 2 }), gone(sixOf({ nexthopId: 1 }))))).toEqual([
      'route-added',
      'route-deleted',
    ]);
  });
});

describe('after what removes IPv4 routes without a message', () => {
  const up = linkOf({ flags: 0x11003 });

  it.each([
    ['a link that goes down', linkOf()],
    ['a link that is deleted', { ...up, messageType: 17 }],
    ['an address that is deleted', addressOf({ messageType: 21 })],
  ])('%s: a dump tells which', async (_what, message) => {
    const all = await listening([up, addressOf(), routeOf()]);
    const before = all.events.length;
    await all.hear(message, message);
    await all.pass(999);
    expect(all.reader.dumps).toBe(1);
    await all.pass(1);
    expect(all.reader.dumps, 'one for both').toBe(2);
    all.reader.answer(up, addressOf());
    await all.settled();
    const events = all.events.slice(before + 2).filter(({ eventType }) => eventType !== 1 && eventType !== 2);
    expect(typesOf(events)).toEqual(['route-deleted', 'resynced']);
    expect(events[1]?.attributes).toMatchObject({ 'netlink.overflow.lost': undefined });
  });

  it.each([[[]], [[routeOf({ nexthopId: 7 })]]])(
    'the end of a nexthop object: a dump tells which, of %j',
    async (left) => {
      const all = await listening([up, routeOf({ nexthopId: 7 })]);
      const gone = { kind: 'nexthop-gone', netns: -1 } as const;
      expect(await all.hear(gone, gone, { ...gone, netns: 5 })).toEqual([]);
      await all.pass(1000);
      expect(all.reader.dumps, 'one for both').toBe(2);
      all.reader.answer(up, ...left);
      await all.settled();
      expect(typesOf(all.events)).toEqual(left.length > 0 ? [] : ['route-deleted', 'resynced']);
    },
  );

  it('a link that comes up: their flags are asked for', async () => {
    const all = await listening([linkOf(), routeOf({ flags: 16 })]);
    await all.hear(up);
    await all.pass(1000);
    all.reader.answer(up, routeOf());
    await all.settled();
    expect(typesOf(all.events)).toEqual(['link-up', 'route-changed', 'resynced']);
    expect(attributeOf(all.events[1], 'route.changed')).toBe('flags');
  });

  it('nothing is asked where no route is known', async () => {
    const all = await listening([up]);
    await all.hear(linkOf());
    await all.pass(2000);
    expect(all.reader.dumps).toBe(1);
  });
});

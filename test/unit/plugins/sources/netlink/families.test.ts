import { describe, expect, it } from 'vitest';

import { FIELDS } from '../../../../../core/filter/fields.ts';
import type { ObjectRecord } from '#native';

import { attributeOf, linkOf, type Listening, listening, rowOf, typesOf } from './kit.ts';
import { addressOf, neighbourOf, routeOf, ruleOf } from './records.ts';

/** A source that knows the link 5 and these. */
function knowing(...known: readonly ObjectRecord[]): Promise<Listening> {
  return listening([linkOf(), ...known]);
}

/** What a dump of these tells, after a loss. */
async function resynced(all: Listening, ...rows: readonly ObjectRecord[]) {
  await all.pass(1000);
  const before = all.events.length;
  await all.hear({ kind: 'overflow', dropped: 1 });
  all.reader.answer(linkOf(), ...rows);
  await all.settled();
  return all.events.slice(before + 1);
}

const CASES: readonly {
  readonly family: string;
  readonly eventType: number;
  readonly record: ObjectRecord;
  readonly changed: ObjectRecord;
  readonly names: string;
  readonly other: ObjectRecord;
}[] = [
  {
    family: 'addr',
    eventType: 2,
    record: addressOf(),
    changed: addressOf({ label: 'veth5:1', metric: 9, valid: 5 }),
    names: 'label,metric,valid',
    other: addressOf({ address: '10.0.0.2', local: '10.0.0.2' }),
  },
  {
    family: 'route',
    eventType: 3,
    record: routeOf(),
    changed: routeOf({ metrics: 'mtu 1400' }),
    names: 'metrics',
    other: routeOf({ destination: '10.3.0.0/16' }),
  },
  {
    family: 'neigh',
    eventType: 4,
    record: neighbourOf(),
    changed: neighbourOf({ state: 4, lladdr: '02:00:00:00:00:08' }),
    names: 'state,lladdr',
    other: neighbourOf({ destination: '10.0.0.8' }),
  },
  {
    family: 'rule',
    eventType: 5,
    record: ruleOf(),
    changed: ruleOf({ flags: 8 }),
    names: 'flags',
    other: ruleOf({ priority: 101 }),
  },
];

function deletedOf<R extends ObjectRecord>(record: R): R {
  return { ...record, messageType: record.messageType + 1 };
}

describe.each(CASES)('a message of $family', ({ family, eventType, record, changed, names, other }) => {
  const told = (event: string): string => `${family}-${event}`;

  it('says that it was added, changed and deleted, and what changed', async () => {
    const { hear } = await knowing();
    const events = await hear(record, changed, record, deletedOf(record), record);
    expect(typesOf(events)).toEqual(['added', 'changed', 'changed', 'deleted', 'added'].map(told));
    expect(events.map((event) => attributeOf(event, `${family}.changed`))).toEqual([
      undefined,
      names,
      names,
      undefined,
      undefined,
    ]);
    expect(events.map(({ messageType }) => messageType - record.messageType)).toEqual([0, 0, 0, 1, 0]);
    expect(new Set(events.map((event) => `${event.eventType} ${event.synthetic}`))).toEqual(
      new Set([`${eventType} false`]),
    );
  });

  it('that repeats what is known changes nothing', async () => {
    const { hear } = await knowing(record);
    const events = await hear(record);
    expect(typesOf(events)).toEqual([told('changed')]);
    expect(attributeOf(events[0], `${family}.changed`)).toBe('');
  });

  it('that is lost is told by the resync: exactly the differences', async () => {
    const found = await resynced(await knowing(record, other), changed);
    const isDrift = names === 'flags' && family === 'rule';
    expect(typesOf(found)).toEqual([...(isDrift ? [] : [told('changed')]), told('deleted'), 'resynced']);
    expect(found.slice(0, -1).every((event) => attributeOf(event, 'resynced') === true && event.synthetic)).toBe(true);
    expect(attributeOf(found.at(-1), 'resynced.differences')).toBe(found.length - 1);
  });

  it('tells what a loss hid of one that is new', async () => {
    const found = await resynced(await knowing(record), record, other);
    expect(typesOf(found)).toEqual([told('added'), 'resynced']);
    expect(attributeOf(found[0], 'msg_type')).toBe(record.messageType);
  });
});

describe('what changes by itself', () => {
  const drifts: readonly (readonly [string, ObjectRecord, ObjectRecord, string])[] = [
    ['the lifetimes of an address', addressOf(), addressOf({ valid: 590, preferred: 290 }), 'valid,preferred'],
    ['the expiry of a route', routeOf({ expires: 60 }), routeOf({ expires: 50 }), 'expires'],
    ['whether a rule has its interface', ruleOf(), ruleOf({ flags: 8 }), 'flags'],
  ];

  it.each(drifts)('%s: a dump tells nothing, a message does', async (_what, before, now, names) => {
    const all = await knowing(before);
    expect(typesOf(await resynced(all, now))).toEqual(['resynced']);
    const [event] = await all.hear(before);
    const family = Object.keys(event?.attributes ?? {}).find((name) => name.endsWith('.changed'));
    expect(event?.attributes[family ?? '']).toBe(names);
  });
});

describe('a family that a dump could not list', () => {
  const known = [addressOf(), routeOf(), neighbourOf(), ruleOf()];

  it.each(['link', 'address', 'route', 'neighbour', 'rule'] as const)(
    'is not taken for deleted: %s',
    async (family) => {
      const all = await knowing(...known);
      const rows = [linkOf(), ...known].filter(({ kind }) => kind !== family);
      await all.pass(1000);
      await all.hear({ kind: 'overflow', dropped: 1 });
      const found = await all.hear(
        ...rows.map((row) => rowOf(row, all.reader.dumps)),
        all.reader.end({ missing: [family] }),
      );
      expect(typesOf(found)).toEqual(['resynced']);
    },
  );

  it('is heard all the same', async () => {
    const all = await knowing(...known);
    await all.pass(1000);
    await all.hear({ kind: 'overflow', dropped: 1 });
    await all.hear(all.reader.end({ missing: ['address'] }));
    const events = await all.hear(addressOf({ label: 'other' }), deletedOf(addressOf()));
    expect(typesOf(events)).toEqual(['addr-changed', 'addr-deleted']);
  });
});

describe('the forwarding table of a bridge', () => {
  const entry = neighbourOf({ family: 7, destination: null, lladdr: '02:00:00:00:00:09', vlan: 1, master: 3 });

  it('has entries that are known by their hardware address', async () => {
    const all = await knowing(entry);
    const events = await all.hear({ ...entry, state: 128 }, { ...entry, vlan: 2 }, deletedOf(entry));
    expect(typesOf(events)).toEqual(['neigh-changed', 'neigh-added', 'neigh-deleted']);
  });

  it('lists the multicast addresses of a device, of which no message tells, as nothing new', async () => {
    const own = neighbourOf({ family: 7, flags: 2, state: 128, destination: null, lladdr: '33:33:00:00:00:01' });
    const all = await knowing();
    expect(typesOf(await resynced(all, own))).toEqual(['resynced']);
    expect(typesOf(await all.hear(own))).toEqual(['neigh-added']);
    expect(typesOf(await resynced(all, own)), 'one that a message told of is kept').toEqual(['resynced']);
    expect(typesOf(await resynced(all))).toEqual(['neigh-deleted', 'resynced']);
  });
});

describe('every attribute of an event', () => {
  /** What this type of record can have, all of it. */
  const full: readonly ObjectRecord[] = [
    linkOf({ master: 3, alias: 'a', linkNetnsid: 1, newNetnsid: 2, newIfindex: 9, slaveKind: 'bridge', altnames: 'x' }),
    addressOf({ metric: 1, protocol: 2, broadcast: '10.0.0.255' }),
    routeOf({
      iif: 1,
      priority: 9,
      nexthopId: 3,
      preference: 0,
      encapsulation: 1,
      expires: 60,
      source: '10.9.0.0/16',
      preferredSource: '10.0.0.1',
      metrics: 'mtu 1400',
      nexthops: 'via 10.0.0.1 oif 3 weight 1',
    }),
    neighbourOf({ extendedFlags: 1, vlan: 2, vni: 3, port: 4, master: 5, protocol: 6, nexthopId: 7 }),
    ruleOf({
      fwmark: 1,
      fwmask: 2,
      target: 3,
      l3mdev: 1,
      suppressPrefixLength: 0,
      suppressGroup: 1,
      ipProtocol: 6,
      dscp: 1,
      destination: '10.9.0.0/16',
      iifname: 'lo',
      oifname: 'lo',
      uidRange: '5-6',
      sourcePorts: '1-2',
      destinationPorts: '80',
      tunnelId: '7',
    }),
  ];

  it.each(full.map((record) => [record.kind, record] as const))(
    'of a %s is a field of conditions, of its type',
    async (_kind, record) => {
      expect(Object.entries(record).filter(([name, value]) => value === null && name !== 'dump')).toEqual([]);
      const { hear } = await knowing();
      const events = await hear(record, record, deletedOf(record));
      const attributes = events.flatMap((event) => Object.entries(event.attributes));
      const given = attributes.filter(([, value]) => value !== undefined);
      const names = new Set(attributes.map(([name]) => name));
      // `changed` of the second event, `cause` where a link went up or down.
      expect(names.size - new Set(given.map(([name]) => name)).size).toBe(record.kind === 'link' ? 1 : 0);
      for (const [name, value] of given) expect([name, FIELDS.get(name)?.type]).toEqual([name, typeof value]);
    },
  );

  it('of the other events is one, too', async () => {
    const all = await listening([linkOf()], { config: { settleTimes: [3000], flapCount: 2 } });
    const up = linkOf({ flags: 0x1003 });
    await all.hear(up, linkOf(), { kind: 'overflow', dropped: 1 }, all.reader.end());
    await all.pass(3000);
    all.reader.answer(up);
    await all.settled();
    expect(typesOf(all.events)).toEqual([
      'link-up',
      'link-down',
      'link-flapping',
      'overflow',
      'link-settled',
      'link-up',
      'resynced',
    ]);
    for (const [name, value] of all.events.flatMap((event) => Object.entries(event.attributes))) {
      if (value !== undefined) expect([name, FIELDS.get(name)?.type]).toEqual([name, typeof value]);
    }
  });
});

describe('the name of the link', () => {
  it('is that of the object, as it is called now', async () => {
    const { hear } = await knowing();
    const events = await hear(
      addressOf(),
      linkOf({ ifname: 'uplink' }),
      neighbourOf(),
      routeOf({ oif: null }),
      ruleOf(),
    );
    expect(events.map(({ interface: name }) => name)).toEqual(['veth5', 'uplink', 'uplink', '', '']);
  });

  it('is empty where the link is not known', async () => {
    const { hear } = await knowing();
    const events = await hear(addressOf({ ifindex: 99 }), routeOf({ oif: 99 }), neighbourOf({ ifindex: 99 }));
    expect(events.map(({ interface: name, subject }) => `${name}|${subject}`)).toEqual([
      '|10.0.0.1/24',
      '|10.2.0.0/16 via 10.0.0.2',
      '|10.0.0.7',
    ]);
  });
});

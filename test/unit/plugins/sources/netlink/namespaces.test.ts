import { describe, expect, it } from 'vitest';

import type { EventDraft } from '#core';
import type { NetnsRecord, ObjectRecord } from '#native';

import { attributeOf, linkOf, type Listening, listening, rowOf, type Starting, starting, typesOf } from './kit.ts';
import { addressOf, LISTED, netnsOf, routeOf } from './records.ts';

const config = { namespaces: 'all', settleTimes: [3000] };
const blue = netnsOf(1, 'found', 'blue');
const red = netnsOf(2, 'found', 'red');
const lo = (netns: number): ObjectRecord => linkOf({ netns, ifindex: 1, ifname: 'lo', linkKind: null });
const inBlue = linkOf({ netns: 1, ifname: 'b0' });
const inRed = linkOf({ netns: 2, ifname: 'r0' });

/** Answers the newest dump of a namespace. */
async function answer({ reader, settled }: Listening, netns: number, ...rows: ObjectRecord[]): Promise<void> {
  const dump = reader.asked.lastIndexOf(netns) + 1;
  reader.say(...rows.map((row) => rowOf(row, dump)), reader.end({ dump, netns }));
  await settled();
}

/** A life that knows the own namespace and these. */
async function started(
  life: Starting,
  found: readonly NetnsRecord[],
  rows: readonly ObjectRecord[],
): Promise<Starting> {
  life.reader.say(...found, LISTED);
  await life.settled();
  for (const netns of [-1, ...found.map((record) => record.netns)]) {
    await answer(life, netns, ...rows.filter((row) => row.netns === netns));
  }
  await life.started;
  return life;
}

async function knowing(found: readonly NetnsRecord[] = [], rows: readonly ObjectRecord[] = []): Promise<Starting> {
  return started(await starting({ config }), found, rows);
}

/** The life after one that failed. */
async function next(life: Listening): Promise<Starting> {
  await life.hear({ kind: 'failure', errno: 105 });
  await life.source.stop?.();
  const following = await life.again();
  await following.settled();
  return following;
}

function told(events: readonly EventDraft[]): string[] {
  return events.map(({ type, namespace, interface: name }) =>
    `${type.slice(8)} ${namespace} ${name}`.replaceAll('  ', ' ').trim(),
  );
}

describe('a network namespace that is found at the start', () => {
  it('is listed before the source is ready, and makes no event', async () => {
    const life = await starting({ config });
    let ready = false;
    void life.started.then(() => (ready = true));
    expect(life.reader.lists).toBe(1);
    life.reader.say(blue, LISTED);
    await life.settled();
    await answer(life, -1, lo(-1));
    expect(ready).toBe(false);
    await answer(life, 1, lo(1));
    await life.settled();
    expect(ready).toBe(true);
    expect(life.reader.asked).toEqual([-1, 1]);
    expect(life.events).toEqual([]);
  });

  it('gives its name and number to its events, and its links to its other objects', async () => {
    const { hear } = await knowing([blue], [inBlue]);
    const events = await hear(linkOf({ netns: 1, ifname: 'b0', mtu: 9000 }), addressOf({ netns: 1 }), addressOf());
    expect(told(events)).toEqual(['link-changed blue b0', 'addr-added blue b0', 'addr-added']);
    expect(events.map((event) => attributeOf(event, 'nsid'))).toEqual([1, 1, undefined]);
  });

  it('that is gone before it was listed does not hold up the start', async () => {
    const life = await starting({ config });
    life.reader.say(blue, LISTED, netnsOf(1, 'gone'));
    await life.settled();
    await answer(life, -1);
    life.reader.say(life.reader.end({ dump: 2, netns: 1, errno: 2 }));
    await life.started;
    expect(told(life.events)).toEqual(['netns-deleted blue']);
  });

  it('that cannot be listed does not hold it up either', async () => {
    const life = await starting({ config });
    life.reader.say(blue, LISTED, life.reader.end({ dump: 1, netns: -1 }));
    await life.settled();
    life.reader.say(life.reader.end({ dump: 2, netns: 1, errno: 1 }));
    await life.started;
    expect(life.health).toMatchObject([{ status: 'degraded' }]);
  });
});

describe('a network namespace that comes later', () => {
  it('is told with all that is in it', async () => {
    const life = await knowing();
    life.reader.say(blue);
    await life.settled();
    await answer(life, 1, lo(1), inBlue, addressOf({ netns: 1 }));
    expect(told(life.events)).toEqual([
      'netns-added blue',
      'link-added blue lo',
      'link-added blue b0',
      'addr-added blue b0',
    ]);
    expect(life.events[0]).toMatchObject({ subject: 'blue', messageType: 0, eventType: 0, synthetic: true });
    expect(life.events[0]?.attributes).toEqual({ 'netlink.nsid': 1, 'netlink.netns.inode': 4_026_532_001 });
    expect(life.events.map((event) => attributeOf(event, 'resynced'))).toEqual([undefined, true, true, true]);
  });

  it('is known from its messages before its dump, and nothing is told twice', async () => {
    const life = await knowing();
    await life.hear(blue, inBlue);
    await answer(life, 1, lo(1), inBlue);
    expect(told(life.events)).toEqual(['netns-added blue', 'link-added blue b0', 'link-added blue lo']);
  });

  it.each([
    ['before the dump began', []],
    ['while it was dumped', [lo(1)]],
  ])('and is gone %s says that what was in it is not known', async (_, rows) => {
    const life = await knowing();
    life.reader.say(blue);
    await life.settled();
    const dump = life.reader.dumps;
    await life.hear(
      ...rows.map((row) => rowOf(row, dump)),
      life.reader.end({ dump, netns: 1, errno: 2 }),
      netnsOf(1, 'gone'),
    );
    expect(life.events.at(-1)).toMatchObject({
      type: 'netlink.netns-deleted',
      attributes: { 'netlink.nsid': 1, 'netlink.netns.listed': false },
    });
    expect(attributeOf(life.events[0], 'netns.listed')).toBeUndefined();
  });

  it('is news also while the source still starts, once all that existed were listed', async () => {
    const life = await starting({ config });
    life.reader.say(LISTED, blue);
    await life.settled();
    await answer(life, -1);
    await answer(life, 1, lo(1));
    await life.started;
    expect(told(life.events)).toEqual(['netns-added blue', 'link-added blue lo']);
  });
});

describe('a network namespace that is known', () => {
  it('may get another name, which later events have', async () => {
    const { hear, reader } = await knowing([blue], [inBlue]);
    const events = await hear({ ...blue, change: 'named', name: 'navy' }, linkOf({ netns: 1, ifname: 'b0', mtu: 9 }));
    expect(told(events)).toEqual(['link-changed navy b0']);
    expect(reader.dumps).toBe(2);
  });

  it('has its newest name, too, where a link of it settles', async () => {
    const life = await knowing([blue], [linkOf({ netns: 1, flags: 0x11003 })]);
    await life.hear(linkOf({ netns: 1 }), { ...blue, change: 'named', name: 'navy' });
    await life.pass(3000);
    expect(life.events.map(({ type, namespace }) => `${type} ${namespace}`)).toEqual([
      'netlink.link-down blue',
      'netlink.link-settled navy',
    ]);
  });

  it('that is gone takes all that was in it', async () => {
    const { hear } = await knowing([blue, red], [inBlue, addressOf({ netns: 1 }), routeOf({ netns: 1 }), lo(2)]);
    const events = await hear(netnsOf(1, 'gone'));
    expect(told(events)).toEqual([
      'addr-deleted blue b0',
      'route-deleted blue b0',
      'link-deleted blue b0',
      'netns-deleted blue',
    ]);
    expect(events.map((event) => attributeOf(event, 'resynced'))).toEqual([true, true, true, undefined]);
    expect(told(await hear(inBlue)), 'nothing is made of a straggler').toEqual([]);
  });

  it('that is gone was listed, also where only the life before had listed it', async () => {
    const { hear } = await knowing([blue], [inBlue]);
    expect((await hear(netnsOf(1, 'gone'))).map((event) => attributeOf(event, 'netns.listed'))).toEqual([
      undefined,
      true,
    ]);
    const life = await next(await knowing([blue, red], [inBlue, inRed]));
    await life.hear(blue, netnsOf(1, 'gone'), LISTED);
    const gone = life.events.filter(({ type }) => type === 'netlink.netns-deleted');
    expect(gone.map(({ attributes }) => [attributes['netlink.nsid'], attributes['netlink.netns.listed']])).toEqual([
      [1, true],
      [2, true],
    ]);
  });

  it('that is gone leaves no link behind that settles', async () => {
    const life = await knowing([blue], [linkOf({ netns: 1, flags: 0x11003 })]);
    await life.hear(linkOf({ netns: 1 }), netnsOf(1, 'gone'));
    await life.pass(3000);
    expect(typesOf(life.events)).toEqual(['link-down', 'link-deleted', 'netns-deleted']);
  });

  it('whose number is another one by now is gone, and the other is found', async () => {
    const life = await knowing([blue], [inBlue]);
    await life.hear({ ...blue, change: 'named', name: 'green', inode: 7 });
    await answer(life, 1, lo(1));
    expect(told(life.events)).toEqual([
      'link-deleted blue b0',
      'netns-deleted blue',
      'netns-added green',
      'link-added green lo',
    ]);
  });

  it('is not taken to be listed by the answer that its predecessor asked for', async () => {
    const life = await knowing([blue], [inBlue]);
    await life.pass(1000);
    await life.hear({ kind: 'overflow', dropped: 1 });
    const stale = life.reader.end({ dump: life.reader.asked.lastIndexOf(1) + 1, netns: 1, errno: 2 });
    await life.hear(netnsOf(1, 'gone'), { ...blue, name: 'green' }, stale);
    expect(life.health).toEqual([]);
  });
});

describe('a loss', () => {
  it('puts every namespace and the list of them in doubt', async () => {
    const life = await knowing([blue, red], [lo(1), lo(2)]);
    await life.pass(1000);
    expect(told(await life.hear({ kind: 'overflow', dropped: 3 }))).toEqual(['overflow']);
    expect(life.reader.asked.slice(3)).toEqual([-1, 1, 2]);
    expect(life.reader.lists).toBe(2);
    for (const netns of [-1, 1, 2]) await answer(life, netns, ...(netns === 2 ? [lo(2), inRed] : [lo(netns)]));
    expect(told(life.events.slice(1))).toEqual([
      'link-added lo',
      'resynced',
      'resynced blue',
      'link-added red r0',
      'resynced red',
    ]);
    const resyncs = life.events.filter(({ type }) => type === 'netlink.resynced');
    expect(resyncs.map((event) => attributeOf(event, 'overflow.lost'))).toEqual([3, 3, 3]);
    expect(resyncs.map((event) => attributeOf(event, 'resynced.differences'))).toEqual([1, 0, 1]);
  });

  it('asks for no list where only the own namespace is heard', async () => {
    const life = await listening([], { config: { namespaces: 'own' } });
    await life.hear({ kind: 'overflow', dropped: 3 });
    expect(life.reader.lists).toBe(0);
  });
});

describe('the life after one that failed', () => {
  it('compares each namespace with what the old one knew', async () => {
    const life = await started(await next(await knowing([blue], [inBlue, lo(1)])), [blue], [lo(1)]);
    expect(told(life.events)).toEqual(['overflow', 'resynced', 'link-deleted blue b0', 'resynced blue']);
    expect(attributeOf(life.events.at(-1), 'overflow.lost')).toBe(0);
  });

  it('tells one that is gone', async () => {
    const life = await started(await next(await knowing([blue, red], [inBlue, lo(2)])), [red], [lo(2)]);
    expect(told(life.events)).toEqual([
      'overflow',
      'link-deleted blue b0',
      'netns-deleted blue',
      'resynced',
      'resynced red',
    ]);
  });

  it('tells one that came meanwhile', async () => {
    const life = await started(await next(await knowing([blue], [lo(1)])), [blue, red], [lo(1), lo(2)]);
    expect(told(life.events)).toEqual([
      'overflow',
      'netns-added red',
      'resynced',
      'resynced blue',
      'link-added red lo',
    ]);
  });

  it('tells both where a number was given to another one', async () => {
    const green = { ...blue, name: 'green', inode: 7 };
    const life = await started(await next(await knowing([blue], [inBlue])), [green], [lo(1)]);
    expect(told(life.events)).toEqual([
      'overflow',
      'link-deleted blue b0',
      'netns-deleted blue',
      'netns-added green',
      'resynced',
      'link-added green lo',
    ]);
  });

  it('takes what it finds as it is where the old one had not listed all', async () => {
    const life = await started(await next(await starting({ config })), [blue], [lo(1)]);
    expect(told(life.events)).toEqual(['overflow', 'resynced']);
  });

  it('hands on what it did not get to', async () => {
    const life = await started(await next(await next(await knowing([blue], [inBlue]))), [], []);
    expect(told(life.events)).toEqual(['overflow', 'link-deleted blue b0', 'netns-deleted blue', 'resynced']);
  });
});

describe('records of a namespace that nobody told of', () => {
  it('make no event: the reader tells of each before what it hears from it, or fails', async () => {
    const { hear, reader } = await knowing();
    expect(await hear(linkOf({ netns: 9 }), addressOf({ netns: 9 }), reader.end({ netns: 9, dump: 7 }))).toEqual([]);
  });
});

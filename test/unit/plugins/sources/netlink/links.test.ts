import { describe, expect, it } from 'vitest';

import { attributeOf, BRIDGE, linkOf, listening, LOWER_UP, REGISTERED, starting, typesOf, UP } from './kit.ts';

const DOWN = linkOf().flags;

describe('what a link message becomes', () => {
  it('an unknown link is added, a known one that the kernel removes is deleted', async () => {
    const { hear } = await listening();
    const [added] = await hear(linkOf({ change: REGISTERED }));
    expect(added).toMatchObject({ type: 'netlink.link-added', interface: 'veth5', subject: 'veth5', eventType: 1 });
    expect(added).toMatchObject({ messageType: 16, namespace: '', synthetic: false, sequence: 1 });
    const [deleted] = await hear(linkOf({ messageType: 17 }));
    expect(deleted).toMatchObject({ type: 'netlink.link-deleted', messageType: 17, interface: 'veth5', sequence: 2 });
  });

  it.each([
    ['admin', UP, 0],
    ['carrier', LOWER_UP, UP],
  ])('up and down name their cause: %s', async (cause, flag, others) => {
    const { hear } = await listening([linkOf({ flags: DOWN | others })]);
    const [up, down] = await hear(linkOf({ flags: DOWN | others | flag }), linkOf({ flags: DOWN | others }));
    expect(typesOf([up!, down!])).toEqual(['link-up', 'link-down']);
    expect([up, down].map((event) => attributeOf(event, 'link.cause'))).toEqual([cause, cause]);
    expect([up, down].map((event) => event?.messageType)).toEqual([16, 16]);
  });

  it('the administrator is the cause when the carrier goes with it', async () => {
    const { hear } = await listening([linkOf({ flags: DOWN | UP | LOWER_UP })]);
    const [down] = await hear(linkOf());
    expect(down).toMatchObject({ type: 'netlink.link-down', attributes: { 'netlink.link.cause': 'admin' } });
  });

  it.each([
    ['mtu', { mtu: 9000 }],
    ['ifname', { ifname: 'uplink' }],
    ['operstate', { operstate: 6 }],
    ['qdisc', { qdisc: 'noqueue' }],
    ['address', { address: '02:00:00:00:00:99' }],
    ['master', { master: 9 }],
    ['txqueuelen', { txQueueLen: 1 }],
    ['group', { group: 3 }],
    ['alias', { alias: 'to the roof' }],
    ['flags', { flags: DOWN | 0x100 }],
    ['mtu,group', { mtu: 9000, group: 3 }],
    ['', {}],
  ])('a change names what changed: "%s"', async (changed, parts) => {
    const { hear } = await listening([linkOf()]);
    const events = await hear(linkOf(parts));
    expect(typesOf(events)).toEqual(['link-changed']);
    expect(attributeOf(events[0], 'link.changed')).toBe(changed);
    expect(attributeOf(events[0], 'link.cause')).toBeUndefined();
  });

  it('a renamed link has its new name, and is the same link', async () => {
    const { hear } = await listening([linkOf()]);
    const events = await hear(linkOf({ ifname: 'uplink' }), linkOf({ ifname: 'uplink', mtu: 9000 }));
    expect(events.map((event) => event.interface)).toEqual(['uplink', 'uplink']);
    expect(events.map((event) => attributeOf(event, 'link.changed'))).toEqual(['ifname', 'mtu']);
  });

  it('a name that comes again under another number is another link', async () => {
    const { hear } = await listening([linkOf()]);
    const events = await hear(linkOf({ messageType: 17 }), linkOf({ ifindex: 9 }), linkOf({ ifindex: 9, mtu: 9000 }));
    expect(typesOf(events)).toEqual(['link-deleted', 'link-added', 'link-changed']);
  });

  it('a number that comes again is another link', async () => {
    const { hear } = await listening([linkOf()]);
    const other = { ifname: 'br0', linkKind: 'bridge', change: REGISTERED };
    expect(typesOf(await hear(linkOf({ messageType: 17 }), linkOf(other)))).toEqual(['link-deleted', 'link-added']);
  });

  it('a name is data, whatever characters it has', async () => {
    const { hear } = await listening();
    const names = ['$(id)', 'a;reboot', '\u001b[31m', 'b\uFFFDd'];
    const events = await hear(...names.map((ifname, index) => linkOf({ ifname, ifindex: 10 + index })));
    expect(events.map((event) => event.interface)).toEqual(names);
    expect(events.map((event) => attributeOf(event, 'link.ifname'))).toEqual(names);
  });

  it('an attribute that the message did not carry is absent', async () => {
    const { hear } = await listening();
    const [event] = await hear(linkOf({ qdisc: null, address: null, linkKind: null, operstate: null }));
    for (const name of ['qdisc', 'address', 'kind', 'operstate', 'cause', 'changed'])
      expect(attributeOf(event, `link.${name}`), name).toBeUndefined();
    expect(event?.attributes).toMatchObject({ 'netlink.link.ifindex': 5, 'netlink.link.mtu': 1500 });
  });
});

describe('what a message with a part of the link becomes', () => {
  it('a port that leaves its bridge is not deleted', async () => {
    const { hear } = await listening([linkOf({ master: 9 })]);
    const left = linkOf({ family: BRIDGE, messageType: 17, master: 9, qdisc: null, linkKind: null });
    const [event] = await hear(left);
    expect(event).toMatchObject({ type: 'netlink.link-changed', messageType: 16 });
    expect(event?.attributes).toMatchObject({ 'netlink.msg_type': 17, 'netlink.link.changed': 'master' });
    const [after] = await hear(linkOf());
    expect(after?.attributes['netlink.link.changed']).toBe('');
  });

  it('a port that joins a bridge changes once', async () => {
    const { hear } = await listening([linkOf()]);
    const joined = linkOf({ family: BRIDGE, master: 9, qdisc: null, txQueueLen: null, group: null });
    const events = await hear(joined, linkOf({ master: 9 }));
    expect(events.map((event) => attributeOf(event, 'link.changed'))).toEqual(['master', '']);
  });

  it('a bridge that names itself has no master', async () => {
    const { hear } = await listening([linkOf()]);
    const events = await hear(linkOf({ family: BRIDGE, master: 5, qdisc: null }), linkOf());
    expect(events.map((event) => attributeOf(event, 'link.changed'))).toEqual(['', '']);
  });

  it('a port whose carrier comes is up when the bridge says so first', async () => {
    const { hear } = await listening([linkOf({ flags: DOWN | UP })]);
    const flags = DOWN | UP | LOWER_UP;
    const events = await hear(linkOf({ family: BRIDGE, flags }), linkOf({ flags }));
    expect(typesOf(events)).toEqual(['link-up', 'link-changed']);
  });

  it('a bridge makes no link known', async () => {
    const { hear } = await listening();
    const events = await hear(linkOf({ family: BRIDGE }), linkOf({ change: REGISTERED }));
    expect(typesOf(events)).toEqual(['link-changed', 'link-added']);
  });

  it('a driver that names little but the link changes nothing', async () => {
    const { hear } = await listening([linkOf()]);
    const little = linkOf({ mtu: null, operstate: null, qdisc: null, address: null, txQueueLen: null, group: null });
    const events = await hear(little, linkOf());
    expect(events.map((event) => attributeOf(event, 'link.changed'))).toEqual(['', '']);
  });
});

describe('while the first dump runs', () => {
  it('the kernel alone says what is new', async () => {
    const { hear, reader, started, settled } = await starting();
    const events = await hear(linkOf({ mtu: 9000 }), linkOf({ ifindex: 7, ifname: 'veth7', change: REGISTERED }));
    expect(typesOf(events)).toEqual(['link-changed', 'link-added']);
    reader.answer(linkOf(), linkOf({ ifindex: 8 }));
    await started;
    await settled();
    const [changed] = await hear(linkOf({ mtu: 9001 }));
    expect(attributeOf(changed, 'link.changed'), 'the row is older than the notification').toBe('mtu');
  });
});

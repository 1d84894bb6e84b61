import { describe, expect, it } from 'vitest';
import { FIELDS, nearestName } from '../../../../core/filter/index.ts';
import { eventWith, matches } from './kit.ts';

/** Prefix, numbers, strings, as the specification lists them (A2 and A10.10). */
const SPECIFIED = [
  ['', 'message_type event_type timestamp sequence', 'interface namespace'],
  ['netlink.', 'protocol msg_type msg_flags seq pid genl_cmd genl_version genl_family_id', 'genl_family_name'],
  ['netlink.link.', 'ifindex flags mtu operstate', 'ifname qdisc cause changed kind address'],
  ['netlink.addr.', 'family ifindex prefixlen scope', 'addr label'],
  ['netlink.route.', 'family oif protocol scope type priority', 'dst src gateway'],
  ['netlink.neigh.', 'family ifindex state', 'dst'],
  ['netlink.diag.', 'family state protocol src_port dst_port uid inode', 'src_addr dst_addr'],
  ['netlink.ct.', 'protocol tcp_state src_port dst_port mark', 'src_addr dst_addr'],
  ['netlink.nl80211.', 'cmd wiphy ifindex iftype freq', 'ifname'],
  ['netlink.qca.', 'subcmd vendor_id', 'subcmd_name'],
  ['netlink.overflow.', 'lost', ''],
  ['netlink.resynced.', 'differences', ''],
  ['journal.', 'lost', 'reason'],
] as const;

describe('fields', () => {
  it('are the specified ones with the specified types', () => {
    const types = new Map<string, string>([['netlink.resynced', 'boolean']]);
    for (const [prefix, numbers, strings] of SPECIFIED) {
      for (const name of numbers.split(' ')) types.set(prefix + name, 'number');
      for (const name of strings.split(' ').filter((word) => word !== '')) types.set(prefix + name, 'string');
    }
    expect(new Map([...types.keys()].map((name) => [name, FIELDS.get(name)?.type]))).toEqual(types);
  });

  it('say that no source sets the families that are not heard', () => {
    const unset = [...FIELDS.values()].filter(({ setBy }) => setBy === 'none').map(({ name }) => name);
    expect(unset.every((name) => /^netlink\.(diag|ct|nl80211|qca)\.|^netlink\.genl_/.test(name))).toBe(true);
    expect(unset).toHaveLength(4 + 9 + 7 + 6 + 3);
  });

  it.each([...FIELDS.values()].map((field) => [field.name, field] as const))(
    'N6: %s is read from the event',
    (name, { type, read }) => {
      const value = { string: 'x', number: 7, boolean: true }[type];
      expect(read(eventWith({ [name]: value }))).toBe(value);
      const literal = { string: "'x'", number: '7', boolean: '(1 == 1)' }[type];
      expect(matches(`${name.toUpperCase()} == ${literal}`, { [name]: value })).toBe(true);
      expect(matches(`${name} != ${literal}`, { [name]: value })).toBe(false);
    },
  );

  it('suggests the nearest name', () => {
    expect(nearestName('Interfac')).toBe('interface');
    expect(nearestName('mtu')).toBe('netlink.link.mtu');
    expect(nearestName('route.dst')).toBe('netlink.route.dst');
    expect(nearestName('netlink.neig.dst')).toBe('netlink.neigh.dst');
    expect(nearestName('event.gateway')).toBe('netlink.route.gateway');
    expect(nearestName('netlink.link.mtuu')).toBe('netlink.link.mtu');
    expect(nearestName('xyzzy')).toBeUndefined();
    expect(nearestName('a'.repeat(60_000))).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';

import { missingForNetlink, scenario } from './run.ts';

const missing = missingForNetlink('the families of the netlink source');
const SCENARIOS = new URL('family-scenarios.ts', import.meta.url);

type Parts = Readonly<Record<string, unknown>>;

interface Seen {
  readonly added: readonly Parts[];
  /** What `ip -j` says of the same. */
  readonly known: readonly Parts[];
}

/** Without what the kernel numbers by itself. */
function steady({ ifindex: _ifindex, ...parts }: Parts): Parts {
  return parts;
}

describe.skipIf(missing !== null)('what a real kernel says of', () => {
  it('N40: addresses is told as ip tells it, both families', async () => {
    const seen = await scenario<Seen & { names: unknown; changed: unknown; deleted: unknown }>(SCENARIOS, 'addresses');
    const told = seen.added.map(({ local, prefixlen, broadcast, label, metric, valid, preferred, addr }) => ({
      local,
      ...(addr === local ? {} : { address: addr }),
      prefixlen,
      broadcast,
      label,
      metric,
      valid_life_time: valid,
      preferred_life_time: preferred,
    }));
    const byIp = seen.known.map(
      ({ family: _family, scope: _scope, dynamic: _dynamic, nodad: _nodad, ...parts }) => parts,
    );
    const sorted = (parts: readonly Parts[]): Parts[] =>
      parts.toSorted((one, other) => String(one['local']).localeCompare(String(other['local'])));
    expect(sorted(told)).toEqual(sorted(byIp));
    expect(seen.added.map(({ family, scope, addr }) => [family, scope, addr])).toEqual([
      [2, 0, '10.1.2.3'],
      [2, 0, '10.9.0.2'],
      [10, 0, 'fd00::5'],
    ]);
    expect(seen.names).toEqual([
      ['va', 20, 2],
      ['vb', 20, 2],
      ['va', 20, 2],
    ]);
    expect(seen.changed).toEqual(['flags,valid,preferred']);
    expect(seen.deleted).toEqual({
      type: 'netlink.addr-deleted',
      name: 'va',
      messageType: 21,
      eventType: 2,
      subject: 'fd00::5/64 va',
    });
  });

  it('N40: routes is told as ip tells it: tables, metrics, many hops, gateways of the other family', async () => {
    const seen = await scenario<Seen & { oif: number; changes: string[]; deleted: number[] }>(SCENARIOS, 'routes');
    const { oif } = seen;
    const common = { family: 2, protocol: 3, scope: 0, type: 1, src_len: 0, table: 254, tos: 0, flags: 0 };
    expect(seen.added).toEqual([
      { ...common, gateway: '10.1.0.2', oif, priority: 50, dst_len: 0 },
      {
        ...common,
        dst: '10.2.0.0/16',
        gateway: '10.1.0.2',
        oif,
        protocol: 4,
        dst_len: 16,
        table: 1000,
        metrics: 'mtu 1400,advmss 1360',
      },
      {
        ...common,
        dst: '10.3.0.0/16',
        dst_len: 16,
        nexthops: `via 10.1.0.2 oif ${oif} weight 3, via 10.1.0.3 oif ${oif} weight 1`,
      },
      { ...common, dst: '10.4.0.0/16', dst_len: 16, type: 7 },
      { ...common, dst: '10.5.0.0/16', dst_len: 16, gateway: 'fe80::9', oif },
      { ...common, family: 10, dst: 'fd01::/48', dst_len: 48, gateway: 'fd00::2', oif, priority: 9, pref: 0 },
    ]);
    expect(seen.changes).toEqual([
      'added default via 10.1.0.2 dev va []',
      'added 10.2.0.0/16 via 10.1.0.2 dev va []',
      `added 10.3.0.0/16 via 10.1.0.2 oif ${oif} weight 3, via 10.1.0.3 oif ${oif} weight 1 []`,
      'added 10.4.0.0/16 []',
      'added 10.5.0.0/16 via fe80::9 dev va []',
      'added fd01::/48 via fd00::2 dev va []',
      expect.stringMatching(/^changed fd01::\/48 via .*\[oif,gateway,nexthops\]$/),
      'deleted fd01::/48 via fd00::2 dev va []',
      'changed default via 10.1.0.9 dev va [gateway]',
      `deleted 10.3.0.0/16 via 10.1.0.2 oif ${oif} weight 3, via 10.1.0.3 oif ${oif} weight 1 []`,
    ]);
    expect(seen.deleted).toEqual([25, 25]);
    const byIp = seen.known.map(({ dst, gateway, via, table }) => [
      dst,
      gateway ?? (via as Parts | undefined)?.['host'],
      table,
    ]);
    expect(byIp.toSorted((one, other) => String(one[0]).localeCompare(String(other[0])))).toEqual([
      ['10.2.0.0/16', '10.1.0.2', '1000'],
      ['10.4.0.0/16', undefined, 'main'],
      ['10.5.0.0/16', 'fe80::9', 'main'],
      ['default', '10.1.0.9', 'main'],
    ]);
  });

  it('routes that went with their nexthop object is nothing: a dump finds them out soon', async () => {
    expect(await scenario(SCENARIOS, 'nexthops')).toEqual([
      'blue 24 10.2.0.0/16 false',
      'blue 24 10.3.0.0/16 false',
      'blue 25 10.2.0.0/16 true',
      'blue 25 10.3.0.0/16 true',
    ]);
  });

  it('N40: neighbours is told as ip tells it, both families', async () => {
    const seen = await scenario<Seen & { changed: Parts; numbers: string[] }>(SCENARIOS, 'neighbours');
    const common = { lladdr: '02:00:00:00:00:07', flags: 0, type: 1, probes: 0 };
    expect(seen.added.map(steady)).toEqual([
      { ...common, family: 2, state: 128, dst: '10.1.0.7' },
      { ...common, family: 10, state: 4, dst: 'fd00::7' },
    ]);
    expect(seen.known).toEqual([
      { dst: '10.1.0.7', dev: 'va', lladdr: '02:00:00:00:00:07', state: ['PERMANENT'] },
      { dst: 'fd00::7', dev: 'va', lladdr: '02:00:00:00:00:07', state: ['STALE'] },
    ]);
    expect(seen.changed).toMatchObject({ lladdr: '02:00:00:00:00:08', changed: 'lladdr' });
    expect(seen.numbers).toEqual(['28 4 va', '28 4 va', '28 4 va', '29 4 va']);
  });

  it('N41: rules makes an event with number 32 for each that comes and 33 for each that goes', async () => {
    const { added, numbers } = await scenario<{ added: Parts[]; numbers: string[] }>(SCENARIOS, 'rules');
    const common = { tos: 0, flags: 0, protocol: 0 };
    expect(added).toEqual([
      {
        ...common,
        family: 2,
        priority: 100,
        action: 1,
        table: 77,
        src: '10.8.0.0/16',
        src_len: 16,
        dst: '10.9.0.1',
        dst_len: 32,
        iifname: 'lo',
        fwmark: 5,
        fwmask: 255,
      },
      {
        ...common,
        family: 10,
        priority: 101,
        action: 1,
        table: 78,
        src: 'fd08::/16',
        src_len: 16,
        dst_len: 0,
        ip_proto: 6,
        uid_range: '0',
        dport: '80-90',
      },
      {
        ...common,
        family: 2,
        priority: 102,
        action: 2,
        table: 0,
        src_len: 0,
        dst_len: 0,
        goto: 32766,
        suppress_prefixlen: 0,
      },
    ]);
    expect(numbers).toEqual([
      '32 5 rule 100 from 10.8.0.0/16 to 10.9.0.1',
      '32 5 rule 101 from fd08::/16 to all',
      '32 5 rule 102 from all to all',
      '33 5 rule 100 from 10.8.0.0/16 to 10.9.0.1',
    ]);
  });

  it('N40: everything is as many events as ip monitor prints lines', async () => {
    const { lines, messages } = await scenario<{ lines: number; messages: number }>(SCENARIOS, 'asManyAsMonitored');
    expect(lines).toBeGreaterThan(100);
    expect(messages).toBe(lines);
  });
});

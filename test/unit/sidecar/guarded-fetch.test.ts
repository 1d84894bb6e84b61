import { describe, expect, it } from 'vitest';

import { isDestination, rangeOf, webhookAllows } from '../../../sidecar/destinations.ts';
import { createGuardedFetch, type LookupAll } from '../../../sidecar/guarded-fetch.ts';
import { DEFAULT_POLICY, type NodePolicy, policyForUp } from '../../../sidecar/policy.ts';

function allowing(...allow: string[]): NodePolicy {
  return { ...DEFAULT_POLICY, webhook: { allow } };
}

describe('the ranges that are refused by default', () => {
  it.each([
    ['unspecified', ['0.0.0.0', '0.1.2.3', '::', '0:0:0:0:0:0:0:0']],
    ['loopback', ['127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1', '[::1]', '::1%lo']],
    ['a metadata service', ['169.254.169.254', 'fd00:ec2::254', '::ffff:169.254.169.254']],
    ['link-local', ['169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'febf::1']],
    ['private', ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fec0::1']],
    ['unique-local', ['fc00::1', 'fdff:ffff::1']],
    ['shared by a carrier', ['100.64.0.1', '100.127.255.255']],
    ['multicast', ['224.0.0.1', '239.255.255.255', 'ff02::1']],
    ['for benchmarks', ['198.18.0.1', '198.19.255.255', '2001:2::1']],
    ['for documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1']],
    ['a tunnel', ['192.88.99.1', '2001::1', '2002:7f00:1::1']],
    [
      'reserved',
      ['192.0.0.1', '240.0.0.1', '255.255.255.255', '::7f00:1', '64:ff9b:1::1', '100::1', '5f00::1', '4000::1'],
    ],
    ['no address', ['', 'localhost', '127.1', '0x7f000001', '1.2.3.4.5']],
  ])('are called %s', (name, addresses) => {
    expect(addresses.map(rangeOf)).toEqual(addresses.map(() => name));
  });

  it.each(['mapped ::ffff:', 'mapped 0:0:0:0:0:ffff:', 'NAT64 64:ff9b::'])('see the IPv4 address behind %s', (form) => {
    const prefix = form.split(' ')[1] ?? '';
    expect(rangeOf(`${prefix}127.0.0.1`)).toBe('loopback');
    expect(rangeOf(`${prefix}10.1.2.3`)).toBe('private');
    expect(rangeOf(`${prefix}0.0.0.0`)).toBe('unspecified');
    expect(rangeOf(`${prefix}8.8.8.8`)).toBeNull();
  });

  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00::1',
  ])('leave out %s', (address) => {
    expect(rangeOf(address)).toBeNull();
  });
});

describe('a destination', () => {
  it('is allowed by its range, in any spelling', () => {
    const policy = allowing('10.1.0.0/16', 'fd00::/8', '127.0.0.1');
    const allowed = ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::a01:203', 'fd12::1', 'fd12::1%eth0', '127.0.0.1'];
    const refused = ['10.2.0.1', '::ffff:10.2.0.1', 'fc00::1', '127.0.0.2', '::1'];
    expect(allowed.filter((address) => !webhookAllows(policy, 'a.test', address))).toEqual([]);
    expect(refused.filter((address) => webhookAllows(policy, 'a.test', address))).toEqual([]);
  });

  it('is allowed by its host name, wherever that leads, and by no other', () => {
    const policy = allowing('Hooks.Internal.Test');
    expect(webhookAllows(policy, 'hooks.internal.test', '10.0.0.1')).toBe(true);
    expect(webhookAllows(policy, 'hooks.internal.test.', '10.0.0.1')).toBe(true);
    expect(webhookAllows(policy, 'x.hooks.internal.test', '10.0.0.1')).toBe(false);
    expect(webhookAllows(policy, '10.0.0.1', '10.0.0.1')).toBe(false);
  });

  it('is allowed everywhere on the machine of one person', () => {
    const policy = policyForUp({ hooksDirectory: '/hooks', user: 'me' });
    const addresses = ['127.0.0.1', '169.254.169.254', '::1', 'fe80::1%eth0', '::ffff:10.0.0.1', '8.8.8.8'];
    expect(addresses.filter((address) => !webhookAllows(policy, 'a.test', address))).toEqual([]);
  });

  it('keeps the families apart: a range of IPv6 allows no IPv4', () => {
    expect(webhookAllows(allowing('::/0'), 'a.test', '127.0.0.1')).toBe(false);
    expect(webhookAllows(allowing('0.0.0.0/0'), 'a.test', '::1')).toBe(false);
  });

  it.each(['10.0.0.0/8', '10.0.0.1', 'fd00::/8', '::1', '::/0', 'localhost', 'hooks.internal.test', 'ähm.test'])(
    'can be written %s',
    (text) => {
      expect(isDestination(text)).toBe(true);
    },
  );

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'fd00::/129',
    'a.test/8',
    'a.test:80',
    'a b',
    'http://a.test',
  ])('cannot be written %j', (text) => {
    expect(isDestination(text)).toBe(false);
  });
});

describe('a guarded fetch', () => {
  const resolving =
    (...addresses: string[]): LookupAll =>
    (_, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it.each([
    ['http://127.0.0.1/', '127.0.0.1', '127.0.0.1', 'loopback'],
    ['http://2130706433/', '127.0.0.1', '127.0.0.1', 'loopback'],
    ['http://0x7f.1/', '127.0.0.1', '127.0.0.1', 'loopback'],
    ['http://0177.0.0.01/', '127.0.0.1', '127.0.0.1', 'loopback'],
    ['http://127.1/', '127.0.0.1', '127.0.0.1', 'loopback'],
    ['http://0/', '0.0.0.0', '0.0.0.0', 'unspecified'],
    ['http://[::]/', '::', '::', 'unspecified'],
    ['http://[::1]/', '::1', '::1', 'loopback'],
    ['https://[::ffff:127.0.0.1]/', '::ffff:7f00:1', '::ffff:7f00:1', 'loopback'],
    ['https://[64:ff9b::7f00:1]/', '64:ff9b::7f00:1', '64:ff9b::7f00:1', 'loopback'],
    ['http://169.254.169.254/latest', '169.254.169.254', '169.254.169.254', 'a metadata service'],
    ['http://１２７.0.0.1/', '127.0.0.1', '127.0.0.1', 'loopback'],
  ])('refuses %s', async (url, host, address, range) => {
    const { fetch, close } = createGuardedFetch(DEFAULT_POLICY);
    const message = `the node's policy refuses ${host}: ${address} is ${range}`;
    await expect(fetch(url)).rejects.toMatchObject({ code: 'POLICY_REFUSED', message, details: { host, address } });
    await close();
  });

  it.each([
    [['10.0.0.1'], '10.0.0.1 is private'],
    [['::1', '127.0.0.1'], '::1 is loopback'],
    [[], 'it has no address'],
  ])('refuses a name that leads to %j', async (addresses, why) => {
    const { fetch, close } = createGuardedFetch(DEFAULT_POLICY, { lookup: resolving(...addresses) });
    const message = `the node's policy refuses inside.test: ${why}`;
    await expect(fetch('http://inside.test/')).rejects.toMatchObject({ code: 'POLICY_REFUSED', message });
    await close();
  });

  it('refuses localhost as the system knows it', async () => {
    const { fetch, close } = createGuardedFetch(DEFAULT_POLICY);
    await expect(fetch('http://localhost/')).rejects.toMatchObject({ code: 'POLICY_REFUSED' });
    await close();
  });

  it('passes on that a name cannot be resolved', async () => {
    const lookup: LookupAll = (_, callback) =>
      callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
    const { fetch, close } = createGuardedFetch(DEFAULT_POLICY, { lookup });
    await expect(fetch('http://nowhere.test/')).rejects.toMatchObject({ cause: { message: 'no such name' } });
    await close();
  });

  it('closes without a request, repeatedly, and takes none after it', async () => {
    const { fetch, close } = createGuardedFetch(DEFAULT_POLICY);
    await close();
    await close();
    await expect(fetch('http://a.test/')).rejects.toMatchObject({ code: 'STATE_ILLEGAL' });
  });
});

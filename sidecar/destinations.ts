/** Where requests may go: the ranges of addresses that are refused unless the node's policy allows them. */
import { BlockList, isIP } from 'node:net';

import type { NodePolicy } from './policy.ts';

/** By what a reason calls them. The registries: iana-ipv4-special-registry, iana-ipv6-special-registry. */
const REFUSED: ReadonlyMap<string, readonly string[]> = new Map([
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['a metadata service', ['169.254.169.254/32', 'fd00:ec2::254/128']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fec0::/10']],
  ['unique-local', ['fc00::/7']],
  ['shared by a carrier', ['100.64.0.0/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['for benchmarks', ['198.18.0.0/15', '2001:2::/48']],
  ['for documentation', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20']],
  ['a tunnel', ['192.88.99.0/24', '2001::/32', '2002::/16']],
  ['reserved', ['192.0.0.0/24', '240.0.0.0/4', '2001::/23', '::/3', '4000::/2', '8000::/1']],
]);

const RANGES = [...REFUSED].map(([name, ranges]) => ({ name, includes: rangeCheck(ranges) }));

/** Prefixes whose last 32 bits are the IPv4 address that is really meant: mapped, and the well-known one of NAT64. */
const embedsIpv4 = rangeCheck(['::ffff:0:0/96', '64:ff9b::/96']);

/** What kind of address this is when the default is to refuse it; null for the open internet. */
export function rangeOf(address: string): string | null {
  const real = canonicalAddress(address);
  if (real === null) return 'no address';
  return RANGES.find(({ includes }) => includes(real))?.name ?? null;
}

/** Whether an action may connect to this address, reached by this name (or by the address itself). */
export function webhookAllows(policy: NodePolicy, host: string, address: string): boolean {
  const real = canonicalAddress(address);
  if (real === null) return false;
  if (rangeOf(real) === null) return true;
  const name = canonicalHost(host);
  return policy.webhook.allow.some((entry) => {
    const range = parseRange(entry);
    return range === null ? name !== null && canonicalHost(entry) === name : rangeCheck([range])(real);
  });
}

/** Whether the text can stand in the policy's list: a CIDR, an address or the name of a host. */
export function isDestination(text: string): boolean {
  return parseRange(text) !== null || (!text.includes('/') && canonicalHost(text) !== null);
}

/** `10.0.0.0/8` as it is, an address as the range of itself alone; null for anything else. */
function parseRange(text: string): string | null {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || more !== undefined) return null;
  const width = family === 4 ? 32 : 128;
  if (bits === undefined) return `${address}/${width}`;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= width ? text : null;
}

/** Whether an address is in one of the ranges. A list for each family: BlockList finds every IPv4 address in `::/0`. */
function rangeCheck(ranges: readonly string[]): (address: string) => boolean {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = familyOf(address);
    lists[family].addSubnet(address, Number(bits), family);
  }
  return (address) => lists[familyOf(address)].check(address, familyOf(address));
}

/** One spelling for each address: without zone, without brackets, IPv4 where IPv4 is meant; null for what is none. */
function canonicalAddress(text: string): string | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (isIP(bare) === 0) return null;
  if (isIP(bare) === 4) return bare;
  const address = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  return embedsIpv4(address) ? lastIpv4(address) : address;
}

function lastIpv4(address: string): string {
  const [high = 0, low = 0] = address
    .split(':')
    .slice(-2)
    .map((group) => Number.parseInt(group === '' ? '0' : group, 16));
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** As URLs have it: lower case, international names in ASCII, no final dot; null for what is no host name. */
function canonicalHost(text: string): string | null {
  if (/[\s/?#@:\\]/.test(text) || !URL.canParse(`http://${text}`)) return null;
  return new URL(`http://${text}`).hostname.replace(/\.$/, '');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

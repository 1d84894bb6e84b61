import { describe, expect, it } from 'vitest';
import { matches, type Values } from './kit.ts';

const LINK: Values = {
  interface: 'veth0',
  message_type: 16,
  event_type: 1,
  'netlink.link.ifname': 'veth0',
  'netlink.link.mtu': 1500,
  'netlink.resynced': true,
};

/** Each relation of a value with a smaller, an equal and a greater one. */
const RELATIONS = {
  '==': [0, 1, 0],
  '!=': [1, 0, 1],
  '<': [0, 0, 1],
  '<=': [0, 1, 1],
  '>': [1, 0, 0],
  '>=': [1, 1, 0],
} as const;
const MIRRORED = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;
const SIGNS = ['==', '!=', '<', '<=', '>', '>='] as const;

describe('N7: comparisons', () => {
  for (const sign of SIGNS) {
    it(`N7: ${sign} compares numbers with numbers and strings with strings, on either side`, () => {
      const cases = [
        ['netlink.link.mtu', ['1499', '1500', '1501']],
        ['interface', ["'veth'", "'veth0'", "'veth00'"]],
        ['interface', ["'Zeth0'", "'veth0'", "'vfth'"]],
      ] as const;
      for (const [field, literals] of cases) {
        for (const [index, literal] of literals.entries()) {
          const expected = RELATIONS[sign][index] === 1;
          expect(matches(`${field} ${sign} ${literal}`, LINK), `${field} ${sign} ${literal}`).toBe(expected);
          expect(matches(`${literal} ${MIRRORED[sign]} ${field}`, LINK), `${literal} ${sign} ${field}`).toBe(expected);
          expect(matches(`(${field}) ${sign} (${literal})`, LINK)).toBe(expected);
        }
      }
      expect(matches(`interface ${sign} netlink.link.ifname`, LINK)).toBe(RELATIONS[sign][1] === 1);
      expect(matches(`sequence ${sign} netlink.link.mtu`, LINK)).toBe(RELATIONS[sign][2] === 1);
      expect(matches(`'a' ${sign} 'a'`)).toBe(RELATIONS[sign][1] === 1);
      expect(matches(`2 ${sign} 3`)).toBe(RELATIONS[sign][2] === 1);
    });

    it(`N7: ${sign} is false for different types and for absent attributes, and NOT inverts that`, () => {
      const pairs = [
        ['interface', '16'],
        ['message_type', "'16'"],
        ['interface', 'message_type'],
        ["'16'", '16'],
        ['netlink.link.qdisc', "''"],
        ['netlink.link.ifindex', '0'],
        ['netlink.route.gateway', 'netlink.route.gateway'],
        ['netlink.ct.mark', '0'],
        ['(1 == 1)', '1'],
        ['(1 == 1)', "'true'"],
        ['netlink.resynced', '1'],
      ];
      for (const [left, right] of pairs) {
        for (const text of [`${left} ${sign} ${right}`, `${right} ${sign} ${left}`]) {
          expect(matches(text, LINK), text).toBe(false);
          expect(matches(`NOT ${text}`, LINK), text).toBe(true);
        }
      }
    });
  }

  it('N7: orders strings by their UTF-8 bytes', () => {
    const ascending = ['', 'A', 'Z', 'a', 'a\u007f', 'aé', 'a\ud7ff', 'a\ue000', 'a\uffff', 'a😀', 'b'];
    for (const [i, left] of ascending.entries()) {
      for (const [j, right] of ascending.entries()) {
        const values = { interface: left, namespace: right };
        expect(matches('interface < namespace', values)).toBe(i < j);
        expect(matches('interface >= namespace', values)).toBe(i >= j);
        expect(matches('interface == namespace', values)).toBe(i === j);
      }
    }
  });

  it('takes an attribute that is present and undefined for an absent one', () => {
    expect(matches('netlink.link.mtu != 1', { 'netlink.link.mtu': undefined })).toBe(false);
  });

  it('goes by the type that an attribute has, not by the one that was declared', () => {
    expect(matches("netlink.link.mtu == 'x'", { 'netlink.link.mtu': 'x' })).toBe(true);
    expect(matches('netlink.link.mtu != 1', { 'netlink.link.mtu': 'x' })).toBe(false);
  });
});

describe('numbers', () => {
  const text = (sign: string, literal: string) => `netlink.link.mtu ${sign} ${literal}`;

  it('are exact around 2^53 and above', () => {
    const above = { 'netlink.link.mtu': 9_007_199_254_740_993n };
    expect(matches(text('==', '9007199254740993'), above)).toBe(true);
    expect(matches(text('==', '9007199254740992'), above)).toBe(false);
    expect(matches(text('>', '9007199254740992'), above)).toBe(true);
    expect(matches(text('!=', '9007199254740994'), above)).toBe(true);
    expect(matches(text('<=', '9007199254740993'), { 'netlink.link.mtu': 2 ** 53 })).toBe(true);
    expect(matches(text('==', '9007199254740992'), { 'netlink.link.mtu': 2 ** 53 })).toBe(true);
  });

  it('are equal as number and as bigint', () => {
    expect(matches(text('==', '5'), { 'netlink.link.mtu': 5n })).toBe(true);
    expect(matches(text('!=', '5'), { 'netlink.link.mtu': 5n })).toBe(false);
    expect(matches(text('IN', '[4 5]'), { 'netlink.link.mtu': 5n })).toBe(true);
    expect(matches(text('==', '1152921504606846976'), { 'netlink.link.mtu': 2 ** 60 })).toBe(true);
    expect(matches(text('IN', '[1152921504606846976]'), { 'netlink.link.mtu': 2 ** 60 })).toBe(true);
    expect(matches(text('IN', '[1152921504606846977]'), { 'netlink.link.mtu': 2n ** 60n + 1n })).toBe(true);
    expect(matches(text('IN', '[1152921504606846977]'), { 'netlink.link.mtu': 2 ** 60 })).toBe(false);
    expect(matches('netlink.link.mtu == netlink.link.flags', { 'netlink.link.mtu': 7n, 'netlink.link.flags': 7 })).toBe(
      true,
    );
  });

  it('saturate above 2^63-1', () => {
    const largest = { 'netlink.link.mtu': 2n ** 63n - 1n };
    expect(matches(text('==', '9223372036854775807'), largest)).toBe(true);
    expect(matches(text('==', '9223372036854775808'), largest)).toBe(true);
    expect(matches(text('==', '9'.repeat(60_000)), largest)).toBe(true);
    expect(matches(text('==', '0'.repeat(60_000) + '7'), { 'netlink.link.mtu': 7 })).toBe(true);
    expect(matches(text('==', '9223372036854775806'), largest)).toBe(false);
  });

  it('never throw, not even for values that no source should send', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1, 10n ** 400n]) {
      const values = { 'netlink.link.mtu': value, 'netlink.link.flags': value };
      expect(matches('netlink.link.mtu IN [1, 9223372036854775807] OR netlink.link.mtu == 1', values)).toBe(false);
      expect(matches('netlink.link.mtu == netlink.link.flags', values)).toBe(!Number.isNaN(value));
      expect(matches('netlink.link.mtu < netlink.link.flags', values)).toBe(false);
    }
  });
});

describe('N10: IN', () => {
  it('N10: finds numbers and strings', () => {
    const list = 'message_type IN [16, 17, 20, 21]';
    for (const number of [16, 17, 20, 21]) expect(matches(list, { message_type: number })).toBe(true);
    for (const number of [0, 15, 18, 161]) expect(matches(list, { message_type: number })).toBe(false);
    expect(matches("interface IN ['lo', 'veth0']", LINK)).toBe(true);
    expect(matches("interface IN ['lo', 'veth']", LINK)).toBe(false);
    expect(matches("'veth0' IN [interface]", LINK)).toBe(true);
  });

  it('N10: is false for an empty list', () => {
    expect(matches('message_type IN []', LINK)).toBe(false);
    expect(matches('NOT message_type IN []', LINK)).toBe(true);
  });

  it('N10: follows the type rule of equality', () => {
    expect(matches("message_type IN ['16']", LINK)).toBe(false);
    expect(matches('interface IN [16 message_type]', LINK)).toBe(false);
    expect(matches("message_type IN ['16', 16]", LINK)).toBe(true);
    expect(matches('(1 == 1) IN [1 interface]', LINK)).toBe(false);
    expect(matches('(1 == 1) IN [netlink.resynced]', LINK)).toBe(true);
  });

  it('N10: is false for an absent operand and skips absent items', () => {
    expect(matches("netlink.link.qdisc IN ['', netlink.link.qdisc]", LINK)).toBe(false);
    expect(matches("interface IN [netlink.link.qdisc, 'veth0']", LINK)).toBe(true);
    expect(matches('interface IN [netlink.link.qdisc netlink.link.ifname]', LINK)).toBe(true);
  });
});

describe('truth values', () => {
  it('a bare field or literal counts as false wherever a truth value is needed', () => {
    for (const bare of ['interface', 'message_type', "'x'", '1', '(interface)', 'netlink.link.qdisc']) {
      expect(matches(bare, LINK)).toBe(false);
      expect(matches(`NOT ${bare}`, LINK)).toBe(true);
      expect(matches(`${bare} AND 1 == 1`, LINK)).toBe(false);
      expect(matches(`1 == 1 AND ${bare}`, LINK)).toBe(false);
      expect(matches(`${bare} OR 1 == 1`, LINK)).toBe(true);
      expect(matches(`1 == 2 OR ${bare}`, LINK)).toBe(false);
    }
  });

  it('a field of our own that is a truth value counts as what it is', () => {
    expect(matches('netlink.resynced', LINK)).toBe(true);
    expect(matches('netlink.resynced', { 'netlink.resynced': false })).toBe(false);
    expect(matches('NOT netlink.resynced', {})).toBe(true);
    expect(matches('netlink.resynced == (1 == 1)', LINK)).toBe(true);
  });

  it('outcomes compare with == and != only', () => {
    expect(matches('(1 == 1) == (2 == 2)')).toBe(true);
    expect(matches('(1 == 1) == (2 == 3)')).toBe(false);
    expect(matches('(1 == 1) != (2 == 3)')).toBe(true);
    expect(matches('(NOT 1 == 1) == (1 == 1 AND interface)')).toBe(true);
    for (const sign of ['<', '<=', '>', '>=']) expect(matches(`(1 == 2) ${sign} (1 == 1)`)).toBe(false);
  });

  it('the order of operands never matters, absent ones included', () => {
    expect(matches("netlink.addr.label == 'x' OR message_type == 16", LINK)).toBe(true);
    expect(matches("message_type == 16 OR netlink.addr.label == 'x'", LINK)).toBe(true);
    expect(matches("NOT netlink.addr.label == 'x' AND message_type == 16", LINK)).toBe(true);
  });

  it('the six basic fields are always there', () => {
    expect(
      matches(
        "interface == '' AND namespace == '' AND message_type == 0 AND event_type == 0 AND timestamp > 0 AND sequence > 0",
      ),
    ).toBe(true);
  });

  it('joins one, two, three and many conditions alike', () => {
    for (let count = 1; count <= 5; count++) {
      for (let bits = 0; bits < 2 ** count; bits++) {
        const parts = Array.from({ length: count }, (_, index) => (bits & (1 << index) ? '1 == 1' : '1 == 2'));
        expect(matches(parts.join(' AND '))).toBe(bits === 2 ** count - 1);
        expect(matches(parts.join(' OR '))).toBe(bits !== 0);
      }
    }
  });
});

import { describe, expect, it } from 'vitest';

import { FIELDS, FilterError, loadCel } from '#core';

import { CONDITIONS, fuzz } from '../filter/fuzz.ts';

/** 10^4 for each test run; FUZZ_CASES=1000000 for the long one. FUZZ_SEED repeats a run. */
const CASES = Number(process.env['FUZZ_CASES'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 47);

const compile = await loadCel();
const CEL = {
  compile,
  seeds: [
    'event.interface.startsWith("veth") && event.message_type in [16, 17] || event.event_type == 1',
    'has(event.netlink.link.mtu) ? event.netlink.link.mtu < 9000 : !event.netlink.resynced',
    '["veth", "cali"].exists(p, event.interface.matches("^(eth|en)[0-9]+$") && event.interface + p != "x")',
    '[1, 2, 3].map(n, n * 2).filter(n, n % 3 == 0).size() == 1 && size(event.interface) > int("1") / 2',
    'double(event.timestamp) > 1.5e3 - 2.0 && [[1]] == [[1]] || "a".trim() == string(-event.sequence)',
  ],
  pieces: [
    ...CONDITIONS.pieces,
    ...[...FIELDS.keys()].map((name) => `event.${name}`),
    'event',
    'event.',
    '.exists(x, ',
    '.map(event, ',
    '.all(',
    'has(',
    '.matches("',
    'cel.bind(a, 1, ',
    '[[',
    '{1: ',
    'b"',
    'r"',
    '&&',
    '||',
    '? 1 :',
    '1u',
    '0x1F',
    'null',
    'dyn(',
    'type(',
    'timestamp("',
    '"""',
    '// ',
    '.?',
    '[?',
    'namespace',
    '__proto__',
  ],
};

describe('hostile CEL', () => {
  it(
    'is compiled or refused, and nothing else ever happens',
    () => {
      const { accepted, refused } = fuzz(CASES, SEED, CEL);
      expect(accepted + refused).toBe(CASES);
      expect(accepted).toBeGreaterThan(CASES / 100);
      expect(refused).toBeGreaterThan(CASES / 100);
    },
    20_000 + CASES,
  );

  it.each([
    '(',
    '[',
    '!',
    '-',
    '{',
    '"',
    'event.',
    'a',
    '9',
    'true ? ',
    'true || ',
    '[1].all(x, ',
    '1 + ',
    '"a" + ',
    '\0',
  ])('is refused a million times and as often as fits: %j', (piece) => {
    for (const text of [piece.repeat(1_000_000), piece.repeat(16_000 / piece.length)]) {
      expect(() => compile(text)).toThrow(FilterError);
    }
  });
});
